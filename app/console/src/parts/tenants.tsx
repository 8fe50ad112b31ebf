import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, data } from "~/api/client";

/** Tenants by part of their name, the first in order. */
function useTenants(search: string, limit: number) {
  return useQuery({
    queryKey: ["get", "/api/tenants", "names", search, limit],
    queryFn: () => data(api.GET("/api/tenants", { params: { query: { search, limit, sort: "name" } } })),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}

function useTenant(id: number | null) {
  return useQuery({
    queryKey: ["get", "/api/tenants/{tenant_id}", "name", id],
    queryFn: () => data(api.GET("/api/tenants/{tenant_id}", { params: { path: { tenant_id: id as number } } })),
    enabled: id !== null,
    staleTime: 60_000,
  });
}

/** A tenant by its name, which leads to its console; by its number until the name is known. */
export function TenantName(props: { id: number }) {
  const { t } = useTranslation("account");
  const many = useTenants("", 500);
  const listed = many.data?.items.find((each) => each.id === props.id);
  const one = useTenant(many.data && !listed ? props.id : null);
  return (
    <Link to="/t/$tenantId" params={{ tenantId: String(props.id) }} className="tg-link">
      {listed?.name ?? one.data?.name ?? t("tenantNumber", { id: props.id })}
    </Link>
  );
}

/** Choose a tenant, found by part of its name; null is none. */
export function TenantSelect(props: {
  value: number | null;
  onChange: (id: number | null) => void;
  label?: string;
  placeholder?: string;
  description?: ReactNode;
  disabled?: boolean;
  size?: "xs" | "sm";
  width?: number;
}) {
  const { t } = useTranslation("account");
  const [typed, setTyped] = useState("");
  const [search] = useDebouncedValue(typed, 200);
  const found = useTenants(search, 50).data?.items ?? [];
  const chosen = useTenant(props.value).data;
  const all = chosen && !found.some((each) => each.id === chosen.id) ? [chosen, ...found] : found;
  return (
    <Select
      label={props.label}
      aria-label={props.label ?? props.placeholder}
      placeholder={props.placeholder}
      description={props.description}
      disabled={props.disabled}
      size={props.size}
      w={props.width}
      data={all.map((each) => ({
        value: String(each.id),
        label: t("tenantChoice", { name: each.name, id: each.id }),
      }))}
      value={props.value === null ? null : String(props.value)}
      onChange={(next) => props.onChange(next === null ? null : Number(next))}
      onSearchChange={(next) => setTyped(next.includes("#") ? "" : next)}
      filter={({ options }) => options}
      searchable
      clearable
    />
  );
}
