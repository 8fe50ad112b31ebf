import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Loaded } from "~/kit/Loaded";
import { Page } from "~/kit/Page";
import { Groups } from "./Groups";
import { Matrix } from "./Matrix";

/** Groups on both sides, and what one pays on the other. */
export default function AdminGroupsPage() {
  const { t } = useTranslation("adminGroups");
  const groups = useQuery({
    queryKey: ["get", "/api/groups", "all"],
    queryFn: () => data(api.GET("/api/groups", { params: { query: { limit: 500, sort: "name" } } })),
  });
  const multipliers = useQuery({
    queryKey: ["get", "/api/multipliers", "all"],
    queryFn: () => data(api.GET("/api/multipliers", { params: { query: { limit: 500 } } })),
  });
  return (
    <Page title={t("title")} about={t("about")}>
      <Loaded query={groups}>
        {(found) => (
          <Loaded query={multipliers}>
            {(set) => {
              // A group that only a multiplier names is shown, too: what it says is applied.
              const side = (which: "user" | "channel", named: string[]) => {
                const known = found.items.filter((each) => each.side === which);
                const labels = new Set(known.map((each) => each.label));
                const others = [...new Set(["default", ...named])].filter(
                  (each) => !labels.has(each) && each !== "all",
                );
                return [...others.map((each) => ({ label: each, name: each })), ...known];
              };
              return (
                <Matrix
                  users={side(
                    "user",
                    set.items.map((each) => each.user_group),
                  )}
                  channels={side(
                    "channel",
                    set.items.map((each) => each.channel_group),
                  )}
                  multipliers={set.items}
                />
              );
            }}
          </Loaded>
        )}
      </Loaded>
      <Groups side="user" />
      <Groups side="channel" />
    </Page>
  );
}
