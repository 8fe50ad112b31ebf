import { Alert, Stack, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, data, type Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Loaded } from "~/kit/Loaded";
import { Money } from "~/kit/Money";
import { Status } from "~/kit/Status";
import { count, milliseconds, percent } from "~/lib/format";
import type { Question } from "./question";

type View = Schema["ExplanationView"];
type Candidate = Schema["CandidateView"];
type FellOut = Schema["FellOutView"];

const CAUSES = [
  "auth",
  "quota",
  "timeout",
  "connect",
  "server",
  "paused",
  "tools",
  "images",
  "requests_per_minute",
  "tokens_per_minute",
  "concurrency",
] as const;
const REASONS = [
  "disabled",
  "model",
  "channel_group",
  "surface",
  "capability",
  "context",
  "excluded",
  "unhealthy",
  "limit",
] as const;

/** Who would serve a request, in which order, and why the others would not: as this node sees it now. */
export function Explanation(props: { question: Question }) {
  const found = useQuery({
    queryKey: ["get", "/api/routing/explain", props.question],
    queryFn: () => data(api.POST("/api/routing/explain", { body: props.question })),
    placeholderData: keepPreviousData,
  });
  return <Loaded query={found}>{(view) => <Shown view={view} />}</Loaded>;
}

function Shown({ view }: { view: View }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  // What does not serve the model at all is most of a large installation, and says the least: it comes last.
  const fellOut = [...view.fell_out].sort(
    (one, other) => Number(one.reason === "model") - Number(other.reason === "model"),
  );
  return (
    <Stack gap="md">
      <dl className="tg-fact-list">
        <div>
          <dt>{t("adminRouting:explain.policy")}</dt>
          <dd>
            {view.policy_id ? (
              <Link to="/admin/routing" search={{ tab: "policies", row: view.policy_id }} className="tg-link">
                {view.policy}
              </Link>
            ) : (
              t("adminRouting:policies.default")
            )}
          </dd>
        </div>
        <div>
          <dt>{t("adminRouting:explain.mode")}</dt>
          <dd>{t(`adminRouting:modes.${view.mode}`)}</dd>
        </div>
        <div>
          <dt>{t("adminRouting:explain.models")}</dt>
          <dd>{view.models.join(" → ")}</dd>
        </div>
        {view.arm && (
          <div>
            <dt>{t("adminRouting:explain.arm")}</dt>
            <dd>{view.arm}</dd>
          </div>
        )}
      </dl>
      {view.candidates.length === 0 ? (
        <Alert color="red" role="alert" title={t("adminRouting:explain.nobody")}>
          <Text size="sm">
            {view.retry_after_seconds === null
              ? t("adminRouting:explain.nobodyText")
              : t("adminRouting:explain.nobodyRetry", { count: view.retry_after_seconds })}
          </Text>
        </Alert>
      ) : (
        <Candidates rows={[...view.candidates]} />
      )}
      {fellOut.length > 0 && (
        <div>
          <h3 className="tg-subheading">{t("adminRouting:explain.fellOut", { count: fellOut.length })}</h3>
          <FellOutTable rows={fellOut} />
        </div>
      )}
    </Stack>
  );
}

function Candidates({ rows }: { rows: Candidate[] }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  const columns: Column<{ row: Candidate; place: number }>[] = [
    { key: "place", header: t("adminRouting:explain.place"), cell: ({ place }) => place, numeric: true },
    {
      key: "name",
      header: t("common:terms.channel"),
      cell: ({ row }) => (
        <Link to="/admin/channels" search={{ row: row.channel_id } as never} className="tg-link">
          {row.name}
        </Link>
      ),
    },
    {
      key: "model",
      header: t("adminRouting:explain.model"),
      hint: t("adminRouting:explain.modelHint"),
      cell: ({ row }) => (
        <span className="tg-nowrap">
          {row.model}
          {row.model_routed !== row.model && (
            <Text size="xs" c="dimmed">
              {t("adminRouting:explain.modelAs", { routed: row.model_routed })}
            </Text>
          )}
        </span>
      ),
    },
    {
      key: "billed",
      header: t("adminRouting:explain.billed"),
      cell: ({ row }) => <span className="tg-nowrap">{row.model_billed}</span>,
    },
    {
      key: "share",
      header: t("adminRouting:explain.share"),
      hint: t("adminRouting:explain.shareHint"),
      cell: ({ row }) => percent(row.share_permille / 1000),
      numeric: true,
    },
    {
      key: "priority",
      header: t("adminRouting:explain.priority"),
      cell: ({ row }) => count(row.priority),
      numeric: true,
    },
    {
      key: "weight",
      header: t("adminRouting:explain.weight"),
      hint: t("adminRouting:explain.weightHint"),
      cell: ({ row }) =>
        row.weight_effective === row.weight
          ? count(row.weight)
          : t("adminRouting:explain.weightOf", { now: count(row.weight_effective), set: count(row.weight) }),
      numeric: true,
    },
    {
      key: "cost",
      header: t("common:terms.cost"),
      hint: t("adminRouting:explain.costHint"),
      cell: ({ row }) => <Money value={row.cost} />,
      numeric: true,
    },
    {
      key: "firstByte",
      header: t("common:terms.firstByte"),
      cell: ({ row }) =>
        row.first_byte_milliseconds === null ? (
          <span className="tg-dim">–</span>
        ) : (
          milliseconds(row.first_byte_milliseconds)
        ),
      numeric: true,
    },
    { key: "busy", header: t("adminRouting:explain.busy"), cell: ({ row }) => count(row.in_flight), numeric: true },
  ];
  return (
    <DataTable
      plain
      id="explain-candidates"
      caption={t("adminRouting:explain.candidates")}
      columns={columns}
      listing={wholeListing(rows.map((row, index) => ({ row, place: index + 1 })))}
      rowId={({ row, place }) => `${place} ${row.name}`}
    />
  );
}

function FellOutTable({ rows }: { rows: FellOut[] }) {
  const { t } = useTranslation(["adminRouting", "common"]);
  const reasonOf = (row: FellOut) => {
    const [code = "", detail = ""] = row.reason.split(":");
    const reason = REASONS.find((each) => each === code);
    const cause = CAUSES.find((each) => each === detail);
    if (!reason) return row.explanation;
    return detail
      ? t("adminRouting:reasonWith", {
          reason: t(`adminRouting:reasons.${reason}`),
          cause: cause ? t(`adminRouting:causes.${cause}`) : detail,
        })
      : t(`adminRouting:reasons.${reason}`);
  };
  return (
    <DataTable
      plain
      id="explain-fell-out"
      caption={t("adminRouting:explain.others")}
      columns={[
        {
          key: "name",
          header: t("common:terms.channel"),
          cell: (row) => (
            <Link to="/admin/channels" search={{ row: row.channel_id } as never} className="tg-link">
              {row.name}
            </Link>
          ),
        },
        {
          key: "reason",
          header: t("adminRouting:explain.why"),
          cell: (row) => (
            <Status tone={row.reason.startsWith("unhealthy") || row.reason.startsWith("limit") ? "warn" : "quiet"}>
              {reasonOf(row)}
            </Status>
          ),
        },
      ]}
      listing={wholeListing(rows)}
      rowId={(row) => row.channel_id}
    />
  );
}
