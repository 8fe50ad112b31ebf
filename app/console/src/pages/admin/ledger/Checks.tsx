import { Stack } from "@mantine/core";
import type { Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { Section } from "~/kit/Page";
import { Status, type Tone } from "~/kit/Status";
import { Time } from "~/kit/Time";
import { count } from "~/lib/format";
import { type CheckState, type Health, stateOfCheck } from "./ledger";
import { Findings } from "./Runs";

type Check = Schema["CheckView"];

const TONES: Record<CheckState, Tone> = { held: "good", broken: "bad", unchecked: "quiet" };

/** Each invariant with what the last verification found, and what must not be. */
export function Checks({ health }: { health: Health }) {
  const { t } = useTranslation(["adminLedger", "common"]);
  const meaning = (each: Check) => t(`adminLedger:checks.${each.check as "readable"}`, { defaultValue: each.meaning });
  const columns: Column<Check>[] = [
    { key: "meaning", header: t("adminLedger:invariant"), cell: meaning, csv: meaning, fixed: true },
    {
      key: "check",
      header: t("common:name"),
      cell: (each) => <code className="tg-mono">{each.check}</code>,
      csv: (each) => each.check,
    },
    {
      key: "state",
      header: t("common:terms.status"),
      cell: (each) => {
        const state = stateOfCheck(each);
        return <Status tone={TONES[state]}>{t(`adminLedger:checkStates.${state}`)}</Status>;
      },
      csv: (each) => stateOfCheck(each),
    },
    {
      key: "findings",
      header: t("adminLedger:findings"),
      cell: (each) => (each.findings === null ? <span className="tg-dim">–</span> : count(each.findings)),
      csv: (each) => each.findings,
      numeric: true,
    },
    {
      key: "checked",
      header: t("adminLedger:lastCheck"),
      cell: (each) => <Time at={each.checked_at} />,
      csv: (each) => each.checked_at,
    },
  ];
  return (
    <Stack gap="lg">
      <DataTable
        id="ledger-checks"
        caption={t("adminLedger:tabs.checks")}
        columns={columns}
        listing={wholeListing(health.checks)}
        rowId={(each) => each.check}
      />
      {health.verification && health.verification.findings.length > 0 && (
        <Section title={t("adminLedger:findings")} about={t("adminLedger:findingsAbout")}>
          <Findings run={health.verification} />
        </Section>
      )}
    </Stack>
  );
}
