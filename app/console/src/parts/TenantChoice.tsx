import { Select } from "@mantine/core";
import type { ReactNode } from "react";
import { useTenantDirectory } from "./tenantNames";

/** Choose a tenant by part of its name or its number; null is none. Archived ones are left out, but for the chosen one. */
export function TenantChoice(props: {
  value: number | null;
  onChange: (tenantId: number | null) => void;
  label?: string;
  placeholder?: string;
  description?: string;
  error?: ReactNode;
  required?: boolean;
  small?: boolean;
}) {
  const { tenants } = useTenantDirectory();
  const offered = tenants.filter((each) => !each.archived || each.id === props.value);
  return (
    <Select
      label={props.label}
      aria-label={props.label ?? props.placeholder}
      placeholder={props.placeholder}
      description={props.description}
      error={props.error}
      withAsterisk={props.required}
      size={props.small ? "xs" : undefined}
      w={props.small ? 240 : undefined}
      data={offered.map((each) => ({ value: String(each.id), label: `${each.name} · ${each.id}` }))}
      value={props.value === null ? null : String(props.value)}
      onChange={(next) => props.onChange(next === null ? null : Number(next))}
      limit={50}
      searchable
      clearable
    />
  );
}
