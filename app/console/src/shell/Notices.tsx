import { Alert, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { Markdown } from "~/kit/LazyMarkdown";
import { recallJson, remember } from "~/lib/storage";
import { useMaybeMe } from "~/session/session";
import { site } from "~/site";

const COLORS = { info: "blue", warning: "yellow", critical: "red" } as const;

/** What the operator has to say: to visitors what came with the page, to who is logged in also what is for them. */
export function Notices() {
  const { t } = useTranslation("shell");
  const me = useMaybeMe();
  const [dismissed, setDismissed] = useState<string[]>(() => recallJson("dismissed", []));
  const mine = useQuery({
    queryKey: ["get", "/api/notices"],
    queryFn: () => data(api.GET("/api/notices")),
    enabled: me !== null && !me.user.must_change_password,
    refetchInterval: 300_000,
  });
  const notices = (mine.data?.items ?? site.announcements).filter((notice) => !dismissed.includes(notice.id));
  if (notices.length === 0) return null;
  const dismiss = (id: string) => {
    const next = [...dismissed, id].slice(-100);
    setDismissed(next);
    remember("dismissed", JSON.stringify(next));
  };
  return (
    <Stack gap="xs" mb="md" component="section" aria-label={t("notices")} className="tg-noprint">
      {notices.map((notice) => (
        <Alert
          key={notice.id}
          color={COLORS[notice.level]}
          title={notice.title}
          icon={<Icon name={notice.level === "info" ? "info" : "warning"} />}
          // What is critical stays until it is over.
          withCloseButton={notice.level !== "critical"}
          closeButtonLabel={t("dismiss")}
          onClose={() => dismiss(notice.id)}
        >
          <Markdown text={notice.body} canWait />
        </Alert>
      ))}
    </Stack>
  );
}
