import { useTranslation } from "~/i18n/use";
import type resources from "./i18n/en";
import type { IconName } from "./kit/Icon";

type Namespace = Extract<keyof typeof resources, `admin${string}` | `tenant${string}`>;

/** One page of a console: a line here is its place in the navigation. */
export type NavEntry = {
  to: string;
  icon: IconName;
  /** The namespace whose `title` is the label. */
  page: Namespace;
  /** Who lacks it does not see the entry. */
  permission: string;
  /** After `g`, goes there. */
  letter: string;
  group: "run" | "serve" | "sell" | "money" | "watch" | "use" | "account";
};

export const ADMIN_NAV: readonly NavEntry[] = [
  { to: "/admin/overview", icon: "gauge", page: "adminOverview", permission: "report:read", letter: "o", group: "run" },
  { to: "/admin/live", icon: "pulse", page: "adminLive", permission: "report:read", letter: "v", group: "run" },
  { to: "/admin/requests", icon: "list", page: "adminRequests", permission: "report:read", letter: "r", group: "run" },
  { to: "/admin/usage", icon: "chart", page: "adminUsage", permission: "report:read", letter: "y", group: "run" },
  {
    to: "/admin/channels",
    icon: "plug",
    page: "adminChannels",
    permission: "channel:read",
    letter: "c",
    group: "serve",
  },
  {
    to: "/admin/routing",
    icon: "route",
    page: "adminRouting",
    permission: "routing:read",
    letter: "m",
    group: "serve",
  },
  { to: "/admin/prices", icon: "tag", page: "adminPrices", permission: "pricing:read", letter: "p", group: "serve" },
  { to: "/admin/groups", icon: "grid", page: "adminGroups", permission: "pricing:read", letter: "g", group: "serve" },
  {
    to: "/admin/tenants",
    icon: "building",
    page: "adminTenants",
    permission: "tenant:read",
    letter: "t",
    group: "sell",
  },
  { to: "/admin/users", icon: "people", page: "adminUsers", permission: "user:read", letter: "u", group: "sell" },
  { to: "/admin/tokens", icon: "key", page: "adminTokens", permission: "token:read", letter: "k", group: "sell" },
  { to: "/admin/limits", icon: "shield", page: "adminLimits", permission: "report:read", letter: "b", group: "sell" },
  {
    to: "/admin/wallets",
    icon: "wallet",
    page: "adminWallets",
    permission: "report:read",
    letter: "w",
    group: "money",
  },
  { to: "/admin/codes", icon: "ticket", page: "adminCodes", permission: "code:read", letter: "d", group: "money" },
  {
    to: "/admin/statements",
    icon: "file",
    page: "adminStatements",
    permission: "report:read",
    letter: "f",
    group: "money",
  },
  { to: "/admin/ledger", icon: "scale", page: "adminLedger", permission: "system:read", letter: "h", group: "money" },
  { to: "/admin/audit", icon: "clock", page: "adminAudit", permission: "audit:read", letter: "a", group: "watch" },
  { to: "/admin/alerts", icon: "bell", page: "adminAlerts", permission: "routing:read", letter: "l", group: "watch" },
  { to: "/admin/system", icon: "server", page: "adminSystem", permission: "system:read", letter: "s", group: "watch" },
  {
    to: "/admin/settings",
    icon: "gear",
    page: "adminSettings",
    permission: "setting:read",
    letter: "e",
    group: "watch",
  },
];

export const TENANT_NAV: readonly NavEntry[] = [
  { to: "/t/$tenantId", icon: "home", page: "tenantHome", permission: "tenant:read", letter: "h", group: "use" },
  {
    to: "/t/$tenantId/usage",
    icon: "chart",
    page: "tenantUsage",
    permission: "own_report:read",
    letter: "u",
    group: "use",
  },
  {
    to: "/t/$tenantId/requests",
    icon: "list",
    page: "tenantRequests",
    permission: "own_report:read",
    letter: "r",
    group: "use",
  },
  { to: "/t/$tenantId/keys", icon: "key", page: "tenantKeys", permission: "own_token:read", letter: "k", group: "use" },
  {
    to: "/t/$tenantId/playground",
    icon: "spark",
    page: "tenantPlayground",
    permission: "own_token:read",
    letter: "g",
    group: "use",
  },
  {
    to: "/t/$tenantId/prices",
    icon: "tag",
    page: "tenantPrices",
    permission: "tenant:read",
    letter: "p",
    group: "use",
  },
  {
    to: "/t/$tenantId/wallet",
    icon: "wallet",
    page: "tenantWallet",
    permission: "balance:read",
    letter: "w",
    group: "money",
  },
  {
    to: "/t/$tenantId/statements",
    icon: "file",
    page: "tenantStatements",
    permission: "report:read",
    letter: "f",
    group: "money",
  },
  {
    to: "/t/$tenantId/limits",
    icon: "shield",
    page: "tenantLimits",
    permission: "tenant:read",
    letter: "b",
    group: "money",
  },
  {
    to: "/t/$tenantId/members",
    icon: "people",
    page: "tenantMembers",
    permission: "member:read",
    letter: "m",
    group: "account",
  },
  {
    to: "/t/$tenantId/audit",
    icon: "clock",
    page: "tenantAudit",
    permission: "audit:read",
    letter: "a",
    group: "account",
  },
  {
    to: "/t/$tenantId/settings",
    icon: "gear",
    page: "tenantSettings",
    permission: "tenant:read",
    letter: "s",
    group: "account",
  },
];

/** The label of an entry: the title of its page. */
export function useTitle(): (entry: NavEntry) => string {
  const { t } = useTranslation();
  return (entry) => (t as (key: string) => string)(`${entry.page}:title`);
}
