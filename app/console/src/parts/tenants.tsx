import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useMemo, useState } from "react";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { tenantDirectory } from "./tenantDirectory";

/**
 * The operator's way from ids to names of tenants: by the list, which is a look at none of them (reading each by itself
 * would be written into each tenant's log of looks).
 */
export function useTenantDirectory() {
  const tenants = useQuery(tenantDirectory).data;
  const names = useMemo(() => new Map((tenants ?? []).map((each) => [each.id, each.name])), [tenants]);
  return { tenants: tenants ?? [], nameOf: (id: number | string) => names.get(Number(id)) ?? String(id) };
}

/** A tenant by its name, which leads to its console; by its number until the name is known. */
export function TenantName(props: { id: number }) {
  const { t } = useTranslation("account");
  const { tenants } = useTenantDirectory();
  return (
    <Link to="/t/$tenantId" params={{ tenantId: String(props.id) }} className="tg-link">
      {tenants.find((each) => each.id === props.id)?.name ?? t("tenantNumber", { id: props.id })}
    </Link>
  );
}

/** Tenants by part of their name, the first in order. */
function useFound(search: string) {
  return useQuery({
    queryKey: ["get", "/api/tenants", "names", search],
    queryFn: () => data(api.GET("/api/tenants", { params: { query: { search, limit: 50, sort: "name" } } })),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}

/**
 * Choose a tenant, found among all by part of its name or by its number; null is none. Archived ones are left out, but for
 * the chosen one.
 */
export function TenantChoice(props: {
  value: number | null;
  onChange: (tenantId: number | null) => void;
  label?: string;
  placeholder?: string;
  description?: ReactNode;
  error?: ReactNode;
  required?: boolean;
  disabled?: boolean;
  size?: "xs" | "sm";
  width?: number;
}) {
  const { t } = useTranslation("account");
  const [typed, setTyped] = useState("");
  const [search] = useDebouncedValue(typed, 200);
  const { tenants, nameOf } = useTenantDirectory();
  const found = (useFound(search).data?.items ?? []).map((each) => ({ id: each.id, name: each.name }));
  const wanted = [props.value, /^\d+$/.test(search.trim()) ? Number(search) : null];
  for (const id of wanted)
    if (
      id !== null &&
      !found.some((each) => each.id === id) &&
      (id === props.value || tenants.some((t) => t.id === id))
    )
      found.unshift({ id, name: nameOf(id) });
  const labelOf = (each: { id: number; name: string }) => t("tenantChoice", { name: each.name, id: each.id });
  return (
    <Select
      label={props.label}
      aria-label={props.label ?? props.placeholder}
      placeholder={props.placeholder}
      description={props.description}
      error={props.error}
      withAsterisk={props.required}
      disabled={props.disabled}
      size={props.size}
      w={props.width}
      data={found.map((each) => ({ value: String(each.id), label: labelOf(each) }))}
      value={props.value === null ? null : String(props.value)}
      onChange={(next) => props.onChange(next === null ? null : Number(next))}
      // What is written into the field by choosing is no search.
      onSearchChange={(next) => setTyped(found.some((each) => labelOf(each) === next) ? "" : next)}
      filter={({ options }) => options}
      searchable
      clearable
    />
  );
}
