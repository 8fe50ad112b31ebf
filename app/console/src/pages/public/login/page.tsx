import { Navigate, useRouter } from "@tanstack/react-router";
import { useUrl } from "~/lib/url";
import { homeOf, type Me, useMaybeMe } from "~/session/session";
import { LoginForm } from "./LoginForm";
import { PasswordForm } from "./PasswordForm";
import { publicLoginRoute } from "./routes";

/** Only places of this console: a link must not lead from a login to somebody else's page. */
export const placeAfter = (next: string | undefined, me: Me): string =>
  next && /^\/(?![/\\])/.test(next) && !next.startsWith("/login") ? next : homeOf(me);

export default function LoginPage() {
  const me = useMaybeMe();
  const router = useRouter();
  const [search] = useUrl(publicLoginRoute);
  const go = (as: Me) => router.history.push(router.history.createHref(placeAfter(search.next, as)));
  if (!me) return <LoginForm onDone={(as) => !as.user.must_change_password && go(as)} />;
  if (me.user.must_change_password || search.change) return <PasswordForm me={me} onDone={() => go(me)} />;
  return <Navigate to={placeAfter(search.next, me)} replace />;
}
