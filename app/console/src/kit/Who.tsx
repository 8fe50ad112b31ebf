import { useQuery } from "@tanstack/react-query";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { useMay } from "~/session/session";
import { Id } from "./Id";

/** Names of people, for who may read them. */
function useNames(): Map<string, string> {
  const may = useMay();
  const users = useQuery({
    queryKey: ["get", "/api/users", "names"],
    queryFn: async () =>
      (await data(api.GET("/api/users", { params: { query: { limit: 500, include_archived: true } } }))).items,
    enabled: may("user:read"),
    staleTime: 60_000,
  });
  return new Map((users.data ?? []).map((user) => [user.id, user.name || user.login]));
}

/** Who did something, as the log names them (`user:...`): by name where it may be known, else by a short id. */
export function Who(props: { actor: string }) {
  const { t } = useTranslation("kit");
  const names = useNames();
  const [kind, id] = props.actor.split(/:(.*)/);
  if (!props.actor) return t("history.system");
  if (kind !== "user" || !id) return props.actor;
  return names.get(id) ?? <Id value={id} />;
}
