import {
  Alert,
  Button,
  Checkbox,
  Grid,
  Group,
  NumberInput,
  Paper,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { useForm } from "@mantine/form";
import { useEffect, useState } from "react";
import { useTranslation } from "~/i18n/use";
import { Empty } from "~/kit/Empty";
import { Section } from "~/kit/Page";
import { count } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { TenantChoice } from "~/parts/tenants";
import { Explanation } from "./Explanation";
import { OUTPUT_TOKENS, type Pasted, PROMPT_TOKENS, type Question, readPasted, SURFACES } from "./question";
import { adminRoutingRoute } from "./routes";

type Surface = (typeof SURFACES)[number];

type Values = {
  model: string;
  surface: Surface;
  tenant: number | null;
  token: string;
  user: string;
  request: string;
  needs: string[];
  prompt: number | string;
  output: number | string;
};

const REQUEST_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Ask who would serve a request. The question is in the URL, so that it can be sent to somebody. */
export function Explain() {
  const { t } = useTranslation(["adminRouting", "common"]);
  const [search, setSearch] = useUrl(adminRoutingRoute);
  const [pasted, setPasted] = useState("");
  const [read, setRead] = useState<Pasted | "unreadable" | null>(null);
  const form = useForm<Values>({
    mode: "controlled",
    initialValues: valuesOf(search),
    validate: {
      model: (model) => (model.trim() ? null : t("adminRouting:explain.modelNeeded")),
      request: (id) => (!id.trim() || REQUEST_ID.test(id.trim()) ? null : t("adminRouting:explain.requestWrong")),
    },
  });
  const asked = JSON.stringify(valuesOf(search));
  const { setValues } = form;
  // The URL may change by itself: the back button, a link of another tab.
  useEffect(() => setValues(JSON.parse(asked) as Values), [asked, setValues]);
  const ask = (values: Values) =>
    setSearch(
      {
        model: values.model.trim(),
        surface: values.surface === "chat" ? undefined : values.surface,
        tenant: values.tenant ?? undefined,
        token: values.token.trim() || undefined,
        user: values.user || undefined,
        request: values.request.trim() || undefined,
        needs: values.needs.length ? values.needs : undefined,
        prompt: figure(values.prompt, PROMPT_TOKENS),
        output: figure(values.output, OUTPUT_TOKENS),
      },
      { push: true },
    );
  const take = () => {
    const found = readPasted(pasted);
    setRead(found ?? "unreadable");
    if (!found) return;
    const values = {
      ...form.getValues(),
      model: found.model,
      surface: found.surface,
      needs: found.needs,
      prompt: found.prompt,
      output: found.output ?? OUTPUT_TOKENS,
      user: found.user ?? "",
    };
    form.setValues(values);
    ask(values);
  };
  const needs = search.needs?.filter((each): each is "tools" | "images" => each === "tools" || each === "images");
  const question: Question | null = search.model
    ? {
        model: search.model,
        surface: search.surface ?? "chat",
        tenant_id: search.tenant ?? null,
        token_id: search.token ?? null,
        user: search.user ?? "",
        needs: needs ?? [],
        prompt_tokens: search.prompt ?? PROMPT_TOKENS,
        output_tokens: search.output ?? OUTPUT_TOKENS,
        request_id: search.request ?? null,
      }
    : null;
  return (
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, lg: 4 }}>
        <Paper p="md">
          <Stack>
            <Textarea
              label={t("adminRouting:explain.paste")}
              description={t("adminRouting:explain.pasteHint")}
              autosize
              minRows={4}
              maxRows={12}
              spellCheck={false}
              classNames={{ input: "tg-mono" }}
              value={pasted}
              onChange={(event) => {
                setPasted(event.currentTarget.value);
                setRead(null);
              }}
            />
            <Button variant="default" onClick={take} disabled={!pasted.trim()}>
              {t("adminRouting:explain.read")}
            </Button>
            {read === "unreadable" && (
              <Alert color="orange" role="alert">
                {t("adminRouting:explain.unreadable")}
              </Alert>
            )}
            {read !== null && read !== "unreadable" && (
              <Text size="sm" c="dimmed" role="status">
                {t("adminRouting:explain.guessed", { prompt: count(read.prompt) })}
              </Text>
            )}
            <form onSubmit={form.onSubmit(ask)} noValidate>
              <Stack gap="sm">
                <TextInput
                  label={t("common:terms.model")}
                  required
                  spellCheck={false}
                  {...form.getInputProps("model")}
                />
                <Select
                  label={t("adminRouting:explain.surface")}
                  data={SURFACES.map((each) => ({ value: each, label: t(`adminRouting:surfaces.${each}`) }))}
                  allowDeselect={false}
                  {...form.getInputProps("surface")}
                />
                <TenantChoice
                  label={t("common:terms.tenant")}
                  description={t("adminRouting:explain.tenantHint")}
                  value={form.values.tenant}
                  onChange={(id) => form.setFieldValue("tenant", id)}
                />
                <TextInput
                  label={t("adminRouting:explain.token")}
                  description={t("adminRouting:explain.tokenHint")}
                  spellCheck={false}
                  {...form.getInputProps("token")}
                />
                <Group grow align="flex-end">
                  <NumberInput
                    label={t("adminRouting:explain.prompt")}
                    min={0}
                    allowDecimal={false}
                    {...form.getInputProps("prompt")}
                  />
                  <NumberInput
                    label={t("adminRouting:explain.output")}
                    min={0}
                    allowDecimal={false}
                    {...form.getInputProps("output")}
                  />
                </Group>
                <Checkbox.Group label={t("adminRouting:explain.needs")} {...form.getInputProps("needs")}>
                  <Group mt={4}>
                    <Checkbox value="tools" label={t("adminRouting:causes.tools")} />
                    <Checkbox value="images" label={t("adminRouting:causes.images")} />
                  </Group>
                </Checkbox.Group>
                <TextInput
                  label={t("adminRouting:explain.user")}
                  description={t("adminRouting:explain.userHint")}
                  {...form.getInputProps("user")}
                />
                <TextInput
                  label={t("adminRouting:explain.request")}
                  description={t("adminRouting:explain.requestHint")}
                  spellCheck={false}
                  {...form.getInputProps("request")}
                />
                <Button type="submit">{t("adminRouting:explain.ask")}</Button>
              </Stack>
            </form>
          </Stack>
        </Paper>
      </Grid.Col>
      <Grid.Col span={{ base: 12, lg: 8 }}>
        {question ? (
          <Section
            title={t("adminRouting:explain.title", { model: question.model })}
            about={t("adminRouting:explain.about")}
          >
            <Explanation question={question} />
          </Section>
        ) : (
          <Paper p="md">
            <Empty title={t("adminRouting:explain.empty")} text={t("adminRouting:explain.emptyText")} />
          </Paper>
        )}
      </Grid.Col>
    </Grid>
  );
}

const figure = (tokens: number | string, otherwise: number): number | undefined =>
  tokens === "" || Number(tokens) === otherwise ? undefined : Number(tokens);

function valuesOf(search: (typeof adminRoutingRoute)["types"]["fullSearchSchema"]): Values {
  return {
    model: search.model ?? "",
    surface: search.surface ?? "chat",
    tenant: search.tenant ?? null,
    token: search.token ?? "",
    user: search.user ?? "",
    request: search.request ?? "",
    needs: search.needs ?? [],
    prompt: search.prompt ?? PROMPT_TOKENS,
    output: search.output ?? OUTPUT_TOKENS,
  };
}
