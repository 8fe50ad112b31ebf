import {
  Alert,
  Button,
  Group,
  MultiSelect,
  PasswordInput,
  Select,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { milliseconds } from "~/lib/format";
import { Choice } from "./Choice";
import { SuggestedPrices } from "./SuggestedPrices";

type Kind = Schema["ChannelTypeView"];
type Test = Schema["ChannelTestView"];

/** The demo vendor, or one's own by its key: recognized, tested, its models listed, and connected. */
export function VendorStep(props: { hasDemo: boolean; onDone: (model: string) => void }) {
  const { t } = useTranslation("publicWelcome");
  const [way, setWay] = useState<"demo" | "own">(props.hasDemo ? "demo" : "own");
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, sm: 2 }} role="radiogroup" aria-label={t("vendor.title")}>
        <Choice
          chosen={way === "demo"}
          disabled={!props.hasDemo}
          title={t("vendor.demo")}
          about={props.hasDemo ? t("vendor.demoAbout") : t("vendor.demoGone")}
          onChoose={() => setWay("demo")}
        />
        <Choice
          chosen={way === "own"}
          title={t("vendor.own")}
          about={t("vendor.ownAbout")}
          onChoose={() => setWay("own")}
        />
      </SimpleGrid>
      {way === "demo" ? (
        <Group>
          <Button onClick={() => props.onDone("demo-chat")} data-testid="use-demo">
            {t("vendor.useDemo")}
          </Button>
        </Group>
      ) : (
        <OwnVendor onDone={props.onDone} />
      )}
    </Stack>
  );
}

function OwnVendor(props: { onDone: (model: string) => void }) {
  const { t, i18n } = useTranslation("publicWelcome");
  const kinds =
    useQuery({ queryKey: ["get", "/api/channel-types"], queryFn: () => data(api.GET("/api/channel-types")) }).data
      ?.items ?? [];
  const [key, setKey] = useState("");
  const [chosen, setChosen] = useState<string | null>(null);
  const [baseUrl, setBaseUrl] = useState("");
  const [test, setTest] = useState<Test | null>(null);
  const [models, setModels] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);

  // Only how the key begins leaves the form before it is tested.
  const start = key.trim().slice(0, 8);
  const guess = useQuery({
    queryKey: ["detect", start],
    queryFn: () => data(api.POST("/api/channel-types/detect", { body: { key_start: start } })),
    enabled: start.length >= 3,
  });
  const type = chosen ?? guess.data?.types[0] ?? null;
  const kind: Kind | undefined = kinds.find((each) => each.name === type);
  const words = (of: Schema["Words"]) => (i18n.language === "zh-CN" ? of.zh : of.en);

  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    try {
      await work();
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };
  const changed = () => {
    setTest(null);
    setModels([]);
  };
  const tryKey = () =>
    attempt(async () => {
      const outcome = await data(
        api.POST("/api/channels/test", {
          body: { type: type ?? "", key: key.trim(), base_url: baseUrl.trim(), models: kind?.models.slice(0, 1) ?? [] },
        }),
      );
      setTest(outcome);
      if (outcome.ok) {
        const listed = outcome.models.length ? outcome.models : (kind?.models ?? []);
        const known = (kind?.models ?? []).filter((each) => listed.includes(each));
        setModels(known.length ? known : listed.slice(0, 8));
      }
    });
  const connect = () =>
    attempt(async () => {
      await api.POST("/api/channels", {
        body: {
          name: kind ? words(kind.title) : (type ?? ""),
          type: type ?? "",
          key: key.trim(),
          base_url: baseUrl.trim(),
          models,
        },
      });
      props.onDone(models[0] ?? "");
    });

  return (
    <Stack>
      <PasswordInput
        label={t("vendor.key")}
        description={t("vendor.keyHint")}
        value={key}
        onChange={(event) => {
          setKey(event.currentTarget.value);
          changed();
        }}
        autoComplete="off"
        data-testid="vendor-key"
      />
      <Group grow align="flex-start">
        <Select
          label={t("vendor.type")}
          description={t("vendor.typeHint")}
          data={kinds
            .filter((each) => each.retired === null && each.name !== "demo")
            .map((each) => ({ value: each.name, label: words(each.title) }))}
          value={type}
          onChange={(next) => {
            setChosen(next);
            changed();
          }}
          searchable
          data-testid="vendor-type"
        />
        <TextInput
          label={t("vendor.baseUrl")}
          description={t("vendor.baseUrlHint")}
          placeholder={kind?.base_url}
          required={kind?.needs_base_url}
          value={baseUrl}
          onChange={(event) => {
            setBaseUrl(event.currentTarget.value);
            changed();
          }}
          data-testid="vendor-url"
        />
      </Group>
      {problem && <Failure problem={problem} />}
      {test && !test.ok && (
        <Alert color="red" role="alert" title={t("vendor.failed")}>
          <Text size="sm" lang="en">
            {test.advice || test.code}
          </Text>
        </Alert>
      )}
      {test?.ok ? (
        <>
          <Text size="sm" role="status">
            {t("vendor.tested", { count: test.models.length, time: milliseconds(test.latency_milliseconds) })}
          </Text>
          <MultiSelect
            label={t("vendor.models")}
            description={t("vendor.modelsHint")}
            data={[...new Set([...test.models, ...(kind?.models ?? []), ...models])]}
            value={models}
            onChange={setModels}
            searchable
            limit={200}
          />
          <SuggestedPrices models={models} />
          <Group>
            <Button onClick={connect} loading={busy} disabled={models.length === 0} data-testid="vendor-connect">
              {t("vendor.connect")}
            </Button>
          </Group>
        </>
      ) : (
        <Group>
          <Button
            onClick={tryKey}
            loading={busy}
            disabled={!type || (kind?.needs_key && !key.trim()) || (kind?.needs_base_url && !baseUrl.trim())}
            data-testid="vendor-test"
          >
            {t("vendor.test")}
          </Button>
        </Group>
      )}
    </Stack>
  );
}
