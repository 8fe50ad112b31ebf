import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, data } from "~/api/client";
import { ADMIN_NAV } from "~/nav";
import { may, useMe } from "~/session/session";
import { ConsoleFrame } from "./ConsoleFrame";

const NO_PARAMS = {};

export default function AdminFrame() {
  const me = useMe();
  const entries = useMemo(() => ADMIN_NAV.filter((entry) => may(me, entry.permission)), [me]);
  const demo = useQuery({
    queryKey: ["get", "/api/channels", { type: "demo" }, "demo badge"],
    queryFn: () => data(api.GET("/api/channels", { params: { query: { type: "demo", limit: 1 } } })),
    enabled: may(me, "channel:read"),
    staleTime: 60_000,
  });
  return <ConsoleFrame face="operator" entries={entries} params={NO_PARAMS} demo={Boolean(demo.data?.items.length)} />;
}
