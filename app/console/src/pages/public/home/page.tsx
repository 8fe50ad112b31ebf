import { Navigate } from "@tanstack/react-router";
import { Html, Markdown } from "~/kit/LazyMarkdown";
import { homeOf, useMaybeMe } from "~/session/session";
import { site } from "~/site";

const isWritten = site.home_kind === "frame" ? site.home_frame !== "" : site.home_page.trim() !== "";

/** Where everybody comes in: to their console, to the operator's home page, or to the login. */
export default function PublicHomePage() {
  const me = useMaybeMe();
  if (me && !me.user.must_change_password) return <Navigate to={homeOf(me)} replace />;
  if (me || !isWritten) return <Navigate to="/login" replace />;
  return (
    <>
      <Markdown text={site.notice} />
      {site.home_kind === "markdown" && <Markdown text={site.home_page} />}
      {site.home_kind === "html" && <Html text={site.home_page} />}
      {site.home_kind === "frame" && (
        // The frame runs the operator's page, and reaches nothing of this one: its origin is another.
        <iframe
          className="tg-home-frame"
          src={site.home_frame}
          title={site.name}
          sandbox="allow-scripts allow-same-origin allow-forms allow-popups"
          referrerPolicy="no-referrer"
        />
      )}
    </>
  );
}
