import { Anchor, Paper, Stack, Table, Tabs, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { Code } from "~/kit/Code";
import { Filters } from "~/kit/Filters";
import { Page, Section } from "~/kit/Page";
import { Scroll } from "~/kit/Scroll";
import { Snippets } from "~/kit/SecretOnce";
import { Status } from "~/kit/Status";
import { useUrl } from "~/lib/url";
import { usePublicPrices } from "~/parts/account";
import { ClientSettings } from "~/parts/ClientSettings";
import { CLIENT_CODES, useClientCode } from "~/parts/clientCodes";
import { address, apiBase } from "~/site";
import { ENDPOINTS, examples } from "./examples";
import { publicDocsRoute } from "./routes";

const SECTIONS = ["start", "endpoints", "errors", "limits", "billing"] as const;
type Part = (typeof SECTIONS)[number];

export default function PublicDocsPage() {
  const { t } = useTranslation("publicDocs");
  const [search, setSearch] = useUrl(publicDocsRoute);
  const open: Part = search.section ?? "start";
  return (
    <Page title={t(`sections.${open}`)} about={t("about")}>
      <Tabs
        value={open}
        onChange={(next) =>
          setSearch({ section: next === "start" ? undefined : (next as Exclude<Part, "start">) }, { push: true })
        }
        keepMounted={false}
      >
        <Tabs.List className="tg-tabs-scroll">
          {SECTIONS.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(`sections.${each}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="start" pt="lg">
          <QuickStart />
        </Tabs.Panel>
        <Tabs.Panel value="endpoints" pt="lg">
          <Endpoints />
        </Tabs.Panel>
        <Tabs.Panel value="errors" pt="lg">
          <Errors />
        </Tabs.Panel>
        <Tabs.Panel value="limits" pt="lg">
          <Rules kind="limits" />
        </Tabs.Panel>
        <Tabs.Panel value="billing" pt="lg">
          <Rules kind="billing" />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

/** A model that can be asked for; the demo's where prices are not shown. */
function useExampleModel(): string {
  const names = Object.keys(usePublicPrices().data?.models ?? {});
  return names.find((each) => !/embed|image|tts|whisper|rerank/i.test(each)) ?? "demo-chat";
}

function QuickStart() {
  const { t } = useTranslation("publicDocs");
  const model = useExampleModel();
  const shown = examples(model);
  return (
    <Stack gap="xl">
      <Section title={t("start.key")} about={t("start.keyText")}>
        <Code text={apiBase()} label={t("start.baseUrl")} />
      </Section>
      <Section title={t("start.call")} about={t("start.callText")}>
        <Snippets secret="sk-..." model={model} />
      </Section>
      <Section title={t("start.stream")} about={t("start.streamText")}>
        <Code text={shown.stream} />
      </Section>
      <Section title={t("start.models")} about={t("start.modelsText")}>
        <Code text={shown.models} />
      </Section>
      <Section title={t("start.others")} about={t("start.othersText")}>
        <Stack>
          <Code text={shown.anthropic} label={t("start.anthropic")} />
          <Code text={shown.gemini} label={t("start.gemini")} />
        </Stack>
      </Section>
      <Section title={t("start.clients")}>
        <ClientSettings secret="sk-..." model={model} />
      </Section>
      <Section title={t("start.receipt")} about={t("start.receiptText")}>
        <Code text={shown.header} />
      </Section>
    </Stack>
  );
}

function Endpoints() {
  const { t } = useTranslation("publicDocs");
  return (
    <Stack>
      <Text size="sm">{t("endpoints.about")}</Text>
      <Paper className="tg-table-card" p={0}>
        <Scroll label={t("sections.endpoints")}>
          <Table className="tg-table">
            <Table.Caption className="tg-hidden">{t("sections.endpoints")}</Table.Caption>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("endpoints.path")}</Table.Th>
                <Table.Th>{t("endpoints.does")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {ENDPOINTS.map((each) => (
                <Table.Tr key={each.path}>
                  <Table.Td>
                    <code className="tg-mono">{`${each.method} ${each.path}`}</code>
                  </Table.Td>
                  <Table.Td>{t(`endpoints.${each.key}`)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Scroll>
      </Paper>
      <Section title={t("endpoints.rest")} about={t("endpoints.restText")}>
        <Anchor href={address("api/docs")}>{t("endpoints.openapi")}</Anchor>
      </Section>
    </Stack>
  );
}

function Errors() {
  const { t } = useTranslation(["publicDocs", "common"]);
  const [search, setSearch] = useUrl(publicDocsRoute);
  const codeOf = useClientCode();
  const wanted = search.search?.toLowerCase();
  const rows = CLIENT_CODES.map((each) => ({ ...each, ...(codeOf(each.code) ?? { cause: "", fix: "" }) })).filter(
    (each) => !wanted || `${each.code} ${each.status} ${each.cause} ${each.fix}`.toLowerCase().includes(wanted),
  );
  return (
    <Stack>
      <Text size="sm">{t("publicDocs:errors.about")}</Text>
      <Code text={t("publicDocs:errors.example")} />
      <Filters
        fields={[{ key: "search", kind: "text", label: t("publicDocs:errors.find"), isSearch: true, width: 260 }]}
        value={search}
        onChange={setSearch}
      />
      <Paper className="tg-table-card" p={0}>
        <Scroll label={t("publicDocs:sections.errors")}>
          <Table className="tg-table tg-table-text">
            <Table.Caption className="tg-hidden">{t("publicDocs:sections.errors")}</Table.Caption>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("publicDocs:errors.code")}</Table.Th>
                <Table.Th>{t("publicDocs:errors.cause")}</Table.Th>
                <Table.Th>{t("publicDocs:errors.fix")}</Table.Th>
                <Table.Th>{t("publicDocs:errors.retry")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((each) => (
                <Table.Tr key={each.code}>
                  <Table.Td>
                    <code className="tg-mono">{`${each.status} ${each.code}`}</code>
                  </Table.Td>
                  <Table.Td>{each.cause}</Table.Td>
                  <Table.Td>{each.fix}</Table.Td>
                  <Table.Td>
                    <Status tone={each.retry ? "good" : "quiet"}>
                      {each.retry ? t("publicDocs:errors.later") : t("common:no")}
                    </Status>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Scroll>
      </Paper>
    </Stack>
  );
}

const RULES = {
  limits: ["windows", "scopes", "reserve", "headers", "concurrency", "refused", "cached"],
  billing: [
    "counted",
    "formula",
    "hold",
    "multiplier",
    "tiers",
    "cacheReads",
    "failed",
    "aborted",
    "grants",
    "statement",
  ],
} as const;

/** The rules, a heading and a few sentences each. */
function Rules(props: { kind: keyof typeof RULES }) {
  const { t } = useTranslation(["publicDocs", "shell"]);
  return (
    <Stack gap="lg" maw={780}>
      {props.kind === "limits"
        ? RULES.limits.map((each) => (
            <Section key={each} title={t(`publicDocs:limits.${each}.title`)}>
              <Text size="sm">{t(`publicDocs:limits.${each}.text`)}</Text>
            </Section>
          ))
        : RULES.billing.map((each) => (
            <Section key={each} title={t(`publicDocs:billing.${each}.title`)}>
              <Text size="sm">{t(`publicDocs:billing.${each}.text`)}</Text>
              {each === "formula" ? <Code text={t("publicDocs:billing.formula.example")} /> : null}
            </Section>
          ))}
      {props.kind === "billing" && (
        <Link to="/prices" className="tg-link">
          {t("shell:prices")}
        </Link>
      )}
    </Stack>
  );
}
