import { Navigate } from "@tanstack/react-router";
import { Markdown } from "~/kit/LazyMarkdown";
import { homeOf, useMaybeMe } from "~/session/session";
import { site } from "~/site";

/** Where everybody comes in: to their console, to the operator's home page, or to the login. */
export default function PublicHomePage() {
  const me = useMaybeMe();
  if (me && !me.user.must_change_password) return <Navigate to={homeOf(me)} replace />;
  if (me || !site.home_page.trim()) return <Navigate to="/login" replace />;
  return (
    <>
      <Markdown text={site.notice} />
      <Markdown text={site.home_page} />
    </>
  );
}
