import { Button } from "@mantine/core";
import type { Schema } from "~/api/client";
import { useListing, wholeListing } from "~/api/listing";
import { useTranslation } from "~/i18n/use";
import { type Column, DataTable } from "~/kit/DataTable";
import { type FilterField, Filters } from "~/kit/Filters";
import { Money } from "~/kit/Money";
import { Section } from "~/kit/Page";
import { Time } from "~/kit/Time";
import { compareAmounts } from "~/lib/format";
import { address } from "~/site";
import type { Balance } from "./balance";

type Movement = Schema["RecordedMovementView"];
type Grant = Schema["GrantView"];

const KINDS = ["granted", "redeemed", "lapsed", "adjusted"] as const;
const SOURCES = ["top_up", "redemption", "allowance", "adjustment", "refund"] as const;
/** A grant that ends sooner is told beside the balance. */
export const SOON = 14 * 86_400_000;

/** What a wallet's page keeps in its URL for these tables. */
export type MovementSearch = {
  kind?: (typeof KINDS)[number];
  source?: (typeof SOURCES)[number];
  grant?: string;
};

/** The grants of a wallet in the order in which they are spent; `onChoose` shows the movements of one. */
export function GrantTable(props: {
  wallet: Balance;
  chosen: string | undefined;
  onChoose: (grant: string | undefined) => void;
}) {
  const { t } = useTranslation(["tenantWallet", "common"]);
  const { wallet, chosen } = props;
  const columns: Column<Grant>[] = [
    {
      key: "kind",
      header: t("tenantWallet:kind"),
      cell: (row) =>
        t(`tenantWallet:grantKinds.${row.kind}` as "tenantWallet:grantKinds.paid", { defaultValue: row.kind }),
      csv: (row) => row.kind,
      fixed: true,
    },
    {
      key: "remaining",
      header: t("tenantWallet:remaining"),
      cell: (row) => <Money value={row.remaining} currency={wallet.currency} />,
      csv: (row) => row.remaining,
      numeric: true,
    },
    {
      key: "held",
      header: t("common:terms.held"),
      cell: (row) => <Money value={row.held} currency={wallet.currency} />,
      csv: (row) => row.held,
      numeric: true,
    },
    {
      key: "granted",
      header: t("tenantWallet:granted"),
      cell: (row) => <Time at={row.granted_at} form="date" />,
      csv: (row) => row.granted_at,
    },
    {
      key: "expires",
      header: t("tenantWallet:expires"),
      cell: (row) =>
        row.expires_at ? (
          <span className={Date.parse(row.expires_at) - Date.now() < SOON ? "tg-warn" : undefined}>
            <Time at={row.expires_at} />
          </span>
        ) : (
          <Time at={null} />
        ),
      csv: (row) => row.expires_at,
    },
  ];
  return (
    <Section title={t("tenantWallet:grants")} about={t("tenantWallet:grantsAbout")}>
      <DataTable
        id="grants"
        caption={t("tenantWallet:grants")}
        columns={columns}
        listing={wholeListing(wallet.grants)}
        rowId={(row) => row.id}
        openId={chosen}
        plain
        rowActions={(row) => (
          <Button
            variant="subtle"
            size="compact-xs"
            onClick={() => props.onChoose(chosen === row.id ? undefined : row.id)}
          >
            {t("tenantWallet:itsMovements")}
          </Button>
        )}
        empty={{ text: t("tenantWallet:noGrants") }}
      />
    </Section>
  );
}

type AnyMovement = Omit<Movement, "balance">;

/** What is told of every movement; `nameOf` gives the name of a person by their id, or the id where it is not known. */
export function useMovementColumns<Row extends AnyMovement>(nameOf: (id: string) => string): Column<Row>[] {
  const { t } = useTranslation(["tenantWallet", "common"]);
  const who = (actor: string): string => {
    const [kind, id = ""] = actor.split(":");
    if (kind !== "user") return kind === "token" ? t("common:terms.key") : t("tenantWallet:system");
    const name = nameOf(id);
    return name === id ? t("tenantWallet:operator") : name;
  };
  return [
    {
      key: "at",
      header: t("common:terms.time"),
      cell: (row) => <Time at={row.at} form="full" />,
      csv: (row) => row.at,
      fixed: true,
    },
    {
      key: "kind",
      header: t("tenantWallet:what"),
      cell: (row) => (row.source ? t(`tenantWallet:sources.${row.source}`) : t(`tenantWallet:kinds.${row.kind}`)),
      csv: (row) => `${row.kind} ${row.source}`.trim(),
    },
    {
      key: "amount",
      header: t("common:terms.amount"),
      cell: (row) => (
        <span className={compareAmounts(row.amount, "0") < 0 ? "tg-minus" : "tg-plus"}>
          <Money value={row.amount} currency={row.currency} signed />
        </span>
      ),
      csv: (row) => row.amount,
      numeric: true,
    },
    {
      key: "reference",
      header: t("tenantWallet:reference"),
      cell: (row) => row.reason || (row.source === "redemption" ? "" : row.reference),
      csv: (row) => `${row.reference} ${row.reason}`.trim(),
    },
    { key: "who", header: t("tenantWallet:by"), cell: (row) => who(row.actor), csv: (row) => row.actor, hidden: true },
  ];
}

/** What a list of movements is narrowed by. */
export function useMovementFields(): FilterField[] {
  const { t } = useTranslation("tenantWallet");
  return [
    {
      key: "kind",
      kind: "choice",
      label: t("what"),
      options: KINDS.map((each) => ({ value: each, label: t(`kinds.${each}`) })),
    },
    {
      key: "source",
      kind: "choice",
      label: t("source"),
      options: SOURCES.map((each) => ({ value: each, label: t(`sources.${each}`) })),
    },
  ];
}

/** What moved a wallet, but for the charges of requests. */
export function MovementTable<S extends MovementSearch>(props: {
  tenantId: number;
  search: S;
  setSearch: (patch: Partial<S>) => void;
  nameOf: (id: string) => string;
}) {
  const { t } = useTranslation(["tenantWallet", "common"]);
  const { tenantId, search } = props;
  const setSearch = props.setSearch as (patch: MovementSearch) => void;
  const filters = { kind: search.kind, source: search.source, grant_id: search.grant };
  const listing = useListing("/api/tenants/{tenant_id}/movements", {
    path: { tenant_id: tenantId },
    query: filters,
  });
  const shared = useMovementColumns<Movement>(props.nameOf);
  const balance: Column<Movement> = {
    key: "balance",
    header: t("tenantWallet:after"),
    hint: t("tenantWallet:afterHint"),
    cell: (row) => <Money value={row.balance} currency={row.currency} />,
    csv: (row) => row.balance,
    numeric: true,
  };
  const columns = shared.flatMap((each) => (each.key === "amount" ? [each, balance] : [each]));
  const fields = useMovementFields();
  const exported = new URLSearchParams();
  for (const [key, value] of Object.entries(filters)) if (value !== undefined) exported.set(key, value);
  return (
    <Section title={t("tenantWallet:movements")} about={t("tenantWallet:movementsAbout")}>
      <DataTable
        id="movements"
        caption={t("tenantWallet:movements")}
        columns={columns}
        listing={listing}
        rowId={(row) => row.event_id}
        filters={<Filters fields={fields} value={search} onChange={setSearch} />}
        filtered={Object.values(filters).some((each) => each !== undefined)}
        onClear={() => setSearch({ kind: undefined, source: undefined, grant: undefined })}
        exportUrl={address(`api/tenants/${tenantId}/movements/export?${exported}`)}
        empty={{ title: t("tenantWallet:noMovements"), text: t("tenantWallet:noMovementsText") }}
      />
    </Section>
  );
}
