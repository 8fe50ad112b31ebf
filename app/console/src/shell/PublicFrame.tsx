import { Anchor, Button, Container, Group } from "@mantine/core";
import { Link, Outlet } from "@tanstack/react-router";
import { useTranslation } from "~/i18n/use";
import { homeOf, useMaybeMe } from "~/session/session";
import { site } from "~/site";
import { Brand } from "./Brand";
import { Footer, focusContent } from "./ConsoleFrame";
import { LanguageMenu, ThemeMenu } from "./Controls";
import { Notices } from "./Notices";

export default function PublicFrame() {
  const { t } = useTranslation(["shell", "session"]);
  const me = useMaybeMe();
  return (
    <div className="tg-face-public">
      <button type="button" className="tg-skip" onClick={focusContent}>
        {t("shell:skip")}
      </button>
      <header className="tg-header tg-public-header">
        <Container size="lg" h="100%">
          <Group h="100%" justify="space-between" wrap="nowrap" gap="xs">
            <Brand />
            <Group gap="xs" wrap="nowrap">
              <nav aria-label={t("shell:navigation")} className="tg-public-nav">
                {site.prices_open && <Link to="/prices">{t("shell:prices")}</Link>}
                {site.status_open && <Link to="/status">{t("shell:status")}</Link>}
                <Link to="/docs">{t("shell:docs")}</Link>
                {site.links.map((link) => (
                  <Anchor key={link.url} href={link.url} target="_blank" rel="noopener noreferrer" c="inherit">
                    {link.label}
                  </Anchor>
                ))}
              </nav>
              <LanguageMenu />
              <ThemeMenu />
              {me ? (
                <Button component={Link} to={homeOf(me)} size="xs">
                  {t("shell:console")}
                </Button>
              ) : (
                <Button component={Link} to="/login" size="xs">
                  {t("session:signIn")}
                </Button>
              )}
            </Group>
          </Group>
        </Container>
      </header>
      <Container component="main" size="lg" id="content" tabIndex={-1} py="lg" className="tg-public-main">
        <Notices />
        <Outlet />
      </Container>
      <Container size="lg" w="100%">
        <Footer />
      </Container>
    </div>
  );
}
