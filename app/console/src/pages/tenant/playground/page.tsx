import {
  Accordion,
  Alert,
  Button,
  Checkbox,
  Group,
  NumberInput,
  Paper,
  Select,
  Stack,
  Tabs,
  Text,
  Textarea,
} from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "~/i18n/use";
import { Code } from "~/kit/Code";
import { Empty } from "~/kit/Empty";
import { Icon } from "~/kit/Icon";
import { Page } from "~/kit/Page";
import { SidePanel } from "~/kit/SidePanel";
import { count, milliseconds } from "~/lib/format";
import { useUrl } from "~/lib/url";
import { useIsMember, useKeys, useMembers, useModels, useTenantId } from "~/parts/account";
import { Receipt } from "~/parts/Receipt";
import { type Answer, type Asked, asCode, ask, EMPTY_ANSWER, type Message } from "./chat";
import { tenantPlaygroundRoute } from "./routes";

type Turn = { question: string; answers: { model: string; answer: Answer }[] };

/** What a model is sent: the turns so far with its own answers, then the new question. */
const messagesFor = (system: string, turns: Turn[], index: number, question: string): Message[] => [
  ...(system.trim() ? [{ role: "system" as const, content: system.trim() }] : []),
  ...turns.flatMap((turn): Message[] => {
    const answer = turn.answers[index] ?? turn.answers[0];
    return answer?.answer.text
      ? [
          { role: "user", content: turn.question },
          { role: "assistant", content: answer.answer.text },
        ]
      : [{ role: "user", content: turn.question }];
  }),
  ...(question ? [{ role: "user" as const, content: question }] : []),
];

export default function TenantPlaygroundPage() {
  const { t } = useTranslation(["tenantPlayground", "account", "common"]);
  const [search, setSearch] = useUrl(tenantPlaygroundRoute);
  const tenantId = useTenantId();
  const isMember = useIsMember();
  const client = useQueryClient();
  const keys = useKeys(tenantId);
  const members = useMembers(tenantId);
  const offers = useModels(tenantId).data?.items;
  const models = (offers ?? [])
    .filter((each) => each.price && (each.surfaces.length === 0 || each.surfaces.includes("chat")))
    .map((each) => each.model);
  const [turns, setTurns] = useState<Turn[]>([]);
  const [question, setQuestion] = useState("");
  const [system, setSystem] = useState("");
  const [temperature, setTemperature] = useState<number | "">("");
  const [maxTokens, setMaxTokens] = useState<number | "">(1024);
  const running = useRef<AbortController | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const model = search.model ?? models[0] ?? "";
  const second = search.second;
  useEffect(() => () => running.current?.abort(), []);

  const askedOf = (name: string, index: number, text: string): Asked => ({
    model: name,
    messages: messagesFor(system, turns, index, text),
    ...(temperature === "" ? {} : { temperature }),
    ...(maxTokens === "" ? {} : { max_tokens: maxTokens }),
  });

  const send = async () => {
    const text = question.trim();
    if (!text || busy || !model) return;
    const names = second ? [model, second] : [model];
    const turn: Turn = { question: text, answers: names.map((name) => ({ model: name, answer: EMPTY_ANSWER })) };
    const place = turns.length;
    setTurns([...turns, turn]);
    setQuestion("");
    setBusy(true);
    const controller = new AbortController();
    running.current = controller;
    await Promise.all(
      names.map((name, index) =>
        ask(tenantId, askedOf(name, index, text), controller.signal, (answer) =>
          setTurns((old) =>
            old.map((each, at) =>
              at === place
                ? { ...each, answers: each.answers.map((one, which) => (which === index ? { ...one, answer } : one)) }
                : each,
            ),
          ),
        ),
      ),
    );
    setBusy(false);
    void client.invalidateQueries({ queryKey: ["get", "/api/tenants/{tenant_id}/balance"] });
    if (place === 0) void client.invalidateQueries({ queryKey: ["get", "/api/tokens"] });
    field.current?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void send();
    }
  };
  const code = asCode(askedOf(model, 0, question.trim()));
  const options = [...new Set([...models, ...(search.model ? [search.model] : [])])];

  if (!isMember)
    return (
      <Page title={t("tenantPlayground:title")} about={t("tenantPlayground:about")}>
        <Alert icon={<Icon name="info" />}>{t("tenantPlayground:members")}</Alert>
      </Page>
    );
  return (
    <Page
      title={t("tenantPlayground:title")}
      about={t("tenantPlayground:about")}
      actions={
        turns.length > 0 && (
          <Button variant="default" onClick={() => setTurns([])} disabled={busy}>
            {t("tenantPlayground:clear")}
          </Button>
        )
      }
    >
      <div className="tg-playground">
        <Stack gap="sm" className="tg-playground-terms">
          <Select
            label={t("tenantPlayground:model")}
            data={options}
            value={model || null}
            onChange={(next) => setSearch({ model: next ?? undefined })}
            searchable
          />
          <Checkbox
            label={t("tenantPlayground:compare")}
            checked={second !== undefined}
            onChange={(event) =>
              setSearch({
                second: event.currentTarget.checked ? (models.find((each) => each !== model) ?? model) : undefined,
              })
            }
          />
          {second !== undefined && (
            <Select
              label={t("tenantPlayground:second")}
              data={[...new Set([...models, second])]}
              value={second}
              onChange={(next) => setSearch({ second: next ?? undefined })}
              searchable
            />
          )}
          <Textarea
            label={t("tenantPlayground:system")}
            description={t("tenantPlayground:systemHint")}
            value={system}
            onChange={(event) => setSystem(event.currentTarget.value)}
            autosize
            minRows={2}
            maxRows={8}
          />
          <div className="tg-fields">
            <NumberInput
              label={t("tenantPlayground:temperature")}
              value={temperature}
              onChange={(next) => setTemperature(typeof next === "number" ? next : "")}
              min={0}
              max={2}
              step={0.1}
              decimalScale={2}
            />
            <NumberInput
              label={t("tenantPlayground:maxTokens")}
              value={maxTokens}
              onChange={(next) => setMaxTokens(typeof next === "number" ? next : "")}
              min={1}
              allowDecimal={false}
              hideControls
            />
          </div>
        </Stack>
        <Stack gap="md" className="tg-playground-talk">
          <div className="tg-talk" aria-live="polite" aria-busy={false}>
            {turns.length === 0 && (
              <Empty title={t("tenantPlayground:emptyTitle")} text={t("tenantPlayground:emptyText")} />
            )}
            {turns.map((turn, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: turns are only added.
              <Stack gap="xs" key={place}>
                <div className="tg-question">
                  <span className="tg-hidden">{t("tenantPlayground:you")}</span>
                  {turn.question}
                </div>
                <div className={turn.answers.length > 1 ? "tg-answers" : undefined}>
                  {turn.answers.map((each, index) => (
                    <AnswerCard
                      // biome-ignore lint/suspicious/noArrayIndexKey: the same model may stand on both sides.
                      key={index}
                      model={each.model}
                      answer={each.answer}
                      onReceipt={(id) => setSearch({ row: id }, { push: true })}
                    />
                  ))}
                </div>
              </Stack>
            ))}
          </div>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void send();
            }}
          >
            <Textarea
              ref={field}
              label={t("tenantPlayground:prompt")}
              description={t("tenantPlayground:promptHint")}
              value={question}
              onChange={(event) => setQuestion(event.currentTarget.value)}
              onKeyDown={onKey}
              autosize
              minRows={2}
              maxRows={10}
            />
            <Group justify="flex-end" mt="xs">
              {busy ? (
                <Button
                  variant="default"
                  onClick={() => running.current?.abort()}
                  leftSection={<Icon name="square" size={12} />}
                >
                  {t("tenantPlayground:stop")}
                </Button>
              ) : (
                <Button
                  type="submit"
                  disabled={!question.trim() || !model}
                  leftSection={<Icon name="play" size={14} />}
                >
                  {t("tenantPlayground:send")}
                </Button>
              )}
            </Group>
          </form>
          {(turns.length > 0 || question.trim()) && (
            <Accordion variant="contained">
              <Accordion.Item value="code">
                <Accordion.Control>{t("tenantPlayground:code")}</Accordion.Control>
                <Accordion.Panel>
                  <Tabs defaultValue="curl" keepMounted={false}>
                    <Tabs.List>
                      <Tabs.Tab value="curl">{t("tenantPlayground:copyCurl")}</Tabs.Tab>
                      <Tabs.Tab value="python">{t("tenantPlayground:copyPython")}</Tabs.Tab>
                    </Tabs.List>
                    <Tabs.Panel value="curl" pt="sm">
                      <Code text={code.curl} label={t("tenantPlayground:copyCurl")} />
                    </Tabs.Panel>
                    <Tabs.Panel value="python" pt="sm">
                      <Code text={code.python} label={t("tenantPlayground:copyPython")} />
                    </Tabs.Panel>
                  </Tabs>
                </Accordion.Panel>
              </Accordion.Item>
            </Accordion>
          )}
        </Stack>
      </div>
      <SidePanel
        opened={search.row !== undefined}
        onClose={() => setSearch({ row: undefined })}
        title={t("account:receipt.title")}
        page={{
          to: "/t/$tenantId/requests/$requestId",
          params: { tenantId: String(tenantId), requestId: search.row ?? "" },
        }}
        wide
      >
        {search.row && <Receipt requestId={search.row} keyName={keys.nameOf} memberName={members.nameOf} />}
      </SidePanel>
    </Page>
  );
}

function AnswerCard(props: { model: string; answer: Answer; onReceipt: (id: string) => void }) {
  const { t } = useTranslation("tenantPlayground");
  const { answer } = props;
  const figures = [
    answer.firstMilliseconds !== null && t("first", { time: milliseconds(answer.firstMilliseconds) }),
    answer.milliseconds !== null && t("total", { time: milliseconds(answer.milliseconds) }),
    answer.input !== null && t("tokensUsed", { input: count(answer.input), output: count(answer.output ?? 0) }),
  ].filter((each): each is string => Boolean(each));
  return (
    <Paper p="md" className="tg-answer">
      <Group justify="space-between" mb={6}>
        <Text size="sm" fw={600}>
          {props.model}
        </Text>
        {answer.requestId && answer.state !== "answering" && (
          <Button
            variant="light"
            size="compact-sm"
            leftSection={<Icon name="file" size={13} />}
            onClick={() => props.onReceipt(answer.requestId as string)}
          >
            {t("receipt")}
          </Button>
        )}
      </Group>
      <div className="tg-answer-text">
        {answer.text}
        {answer.state === "answering" && <span className="tg-caret" role="status" aria-label={t("answering")} />}
      </div>
      {answer.state === "failed" && (
        <Alert color="red" icon={<Icon name="warning" />} mt="xs">
          <span lang="en">{t("failed", { text: answer.problem })}</span>
        </Alert>
      )}
      <Text size="xs" c="dimmed" mt="xs">
        {answer.state === "stopped" ? [t("stopped"), ...figures].join(" · ") : figures.join(" · ")}
      </Text>
    </Paper>
  );
}
