import { Button, Group, Stack } from "@mantine/core";
import { Link, Navigate } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { Markdown } from "~/kit/LazyMarkdown";
import { useDocumentTitle } from "~/parts/documentTitle";
import { homeOf, useMaybeMe } from "~/session/session";
import { site } from "~/site";
import { Frame } from "./Frame";

/** Where everybody comes in: to their console, to the operator's home page, or to the login. */
export default function PublicHomePage() {
  const { t } = useTranslation(["publicHome", "session"]);
  const me = useMaybeMe();
  useDocumentTitle(t("publicHome:title"));
  const hasPage = site.home_kind === "frame" ? site.home_frame !== "" : site.home_page.trim() !== "";
  if (me && !me.user.must_change_password) return <Navigate to={homeOf(me)} replace />;
  if (me || !hasPage) return <Navigate to="/login" replace />;
  return (
    <Stack gap="lg">
      <Markdown text={site.notice} />
      {site.home_kind === "frame" ? (
        <Frame url={site.home_frame} title={t("publicHome:frame", { name: site.name })} />
      ) : (
        <article className="tg-home">
          <Markdown text={site.home_page} isHtml={site.home_kind === "html"} />
          <Group mt="lg">
            <Button component={Link} to="/login" size="md">
              {t("session:signIn")}
            </Button>
            {site.sign_up_open && (
              <Button component={Link} to="/sign-up" size="md" variant="default">
                {t("session:signUp")}
              </Button>
            )}
          </Group>
        </article>
      )}
    </Stack>
  );
}
