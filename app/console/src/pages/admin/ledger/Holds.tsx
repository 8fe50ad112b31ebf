import { Progress, Stack, Text } from "@mantine/core";
import type { Schema } from "~/api/client";
import { wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { Chart } from "~/kit/Chart";
import { type Column, DataTable } from "~/kit/DataTable";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { bytes, count, milliseconds, percent } from "~/lib/format";
import { samplePoints, useSamples } from "~/parts/samples";
import { seriesOf } from "~/parts/usage";
import { useMay } from "~/session/session";
import { type Health, shareOf } from "./ledger";

type Ages = Schema["HoldAges"];
type Journal = Schema["JournalView"];

/** What is set aside and not settled yet: how old, how much, and what nodes keep until the ledger has it. */
export function Holds({ health }: { health: Health }) {
  const { t } = useTranslation(["adminLedger", "common"]);
  const may = useMay();
  const samples = useSamples(24, may("system:read"));
  const settle = samplePoints(samples.data?.rows ?? [], (row) => row.settle_milliseconds);
  const age = (each: Ages) =>
    each.seconds_to === null
      ? t("adminLedger:olderThan", { age: milliseconds(each.seconds_from * 1000) })
      : each.seconds_from === 0
        ? t("adminLedger:youngerThan", { age: milliseconds(each.seconds_to * 1000) })
        : t("adminLedger:ageBetween", {
            from: milliseconds(each.seconds_from * 1000),
            to: milliseconds(each.seconds_to * 1000),
          });
  const ages: Column<Ages>[] = [
    { key: "age", header: t("adminLedger:age"), cell: age, csv: age, fixed: true },
    {
      key: "holds",
      header: t("adminLedger:openHolds"),
      cell: (each) => count(each.holds),
      csv: (each) => each.holds,
      numeric: true,
    },
    {
      key: "held",
      header: t("common:terms.held"),
      cell: (each) => <Money value={each.held} />,
      csv: (each) => each.held,
      numeric: true,
    },
  ];
  const journals: Column<Journal>[] = [
    { key: "node", header: t("adminLedger:node"), cell: (each) => each.node, csv: (each) => each.node, fixed: true },
    {
      key: "holds",
      header: t("adminLedger:journalHolds"),
      cell: (each) => count(each.holds),
      csv: (each) => each.holds,
      numeric: true,
    },
    {
      key: "bytes",
      header: t("adminLedger:journalBytes"),
      cell: (each) => t("adminLedger:bytesOf", { bytes: bytes(each.bytes), most: bytes(each.bytes_max) }),
      csv: (each) => each.bytes,
      numeric: true,
    },
    {
      key: "full",
      header: t("common:used"),
      cell: (each) => {
        const share = shareOf(each.bytes, each.bytes_max) ?? 0;
        return (
          <div className="tg-full">
            <Progress value={share * 100} size="sm" color={share >= 0.8 ? "red" : "brand"} aria-hidden="true" />
            <Text size="xs">{percent(share)}</Text>
          </div>
        );
      },
    },
  ];
  return (
    <Stack gap="lg">
      <div className="tg-charts">
        <Chart
          title={t("adminLedger:agesChart")}
          unit={t("adminLedger:holdsUnit")}
          kind="bars"
          categories
          points={health.holds.map((each) => ({ at: age(each), values: { holds: each.holds } }))}
          series={[{ key: "holds", label: t("adminLedger:openHolds"), color: "var(--tg-series-0)" }]}
          format={(figure) => count(Number(figure))}
          height={200}
        />
        <Chart
          title={t("adminLedger:expiredChart")}
          unit={t("adminLedger:holdsUnit")}
          kind="bars"
          hours
          points={hoursOf(health).map((each) => ({
            at: each.at,
            partial: Date.parse(each.at) + 3_600_000 > Date.parse(health.at),
            values: { expired: each.expired },
          }))}
          series={[{ key: "expired", label: t("adminLedger:expired"), color: "var(--tg-series-4)" }]}
          format={(figure) => count(Number(figure))}
          height={200}
        />
        {may("system:read") && (
          <Chart
            title={t("adminLedger:settleChart")}
            unit={t("common:units.milliseconds")}
            kind="lines"
            hours
            loading={samples.isPending}
            points={settle.points}
            series={seriesOf(settle.nodes, (node) => node)}
            format={(figure) => milliseconds(Number(figure))}
            axis={(figure) => milliseconds(figure)}
            height={200}
          />
        )}
      </div>
      <Section title={t("adminLedger:ages")} about={t("adminLedger:agesAbout")}>
        <DataTable
          id="ledger-holds"
          caption={t("adminLedger:ages")}
          columns={ages}
          listing={wholeListing(health.holds)}
          rowId={(each) => String(each.seconds_from)}
          plain
        />
      </Section>
      <Section title={t("adminLedger:journal")} about={t("adminLedger:journalAbout")}>
        <DataTable
          id="ledger-journals"
          caption={t("adminLedger:journal")}
          columns={journals}
          listing={wholeListing(health.journals)}
          rowId={(each) => each.node}
          plain
          empty={{ text: t("adminLedger:noJournal") }}
        />
      </Section>
    </Stack>
  );
}

const HOUR = 3_600_000;

/** The last 24 hours, those without an expired hold too: the API names only the others. */
export function hoursOf(health: Pick<Health, "at" | "expired">): { at: string; expired: number }[] {
  const known = new Map(health.expired.map((each) => [Date.parse(each.at), each.expired]));
  const last = Math.floor(Date.parse(health.at) / HOUR) * HOUR;
  return Array.from({ length: 24 }, (_, index) => {
    const at = last - (23 - index) * HOUR;
    return { at: new Date(at).toISOString(), expired: known.get(at) ?? 0 };
  });
}
