import { Alert, Anchor, Button, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { Link, useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { Icon } from "~/kit/Icon";
import { Loaded } from "~/kit/Loaded";
import { Time } from "~/kit/Time";
import { useDocumentTitle } from "~/parts/documentTitle";
import { homeOf, logIn } from "~/session/session";
import { site } from "~/site";

/** As the server has it; what else it refuses it says itself. */
const LENGTH_MIN = 12;

/** The secret stands after the `#`, which browsers send to nobody; it is taken out of the address once it is read. */
const secretOf = (): string => decodeURIComponent(window.location.hash.replace(/^#/, ""));

export default function PublicAcceptPage() {
  const { t } = useTranslation("publicAccept");
  const [secret] = useState(secretOf);
  useDocumentTitle(t("title"));
  const query = useQuery({
    queryKey: ["post", "/api/links/read", secret],
    queryFn: () => data(api.POST("/api/links/read", { body: { secret } })),
    enabled: secret !== "",
    retry: false,
    // What the link is good for does not change while somebody types a password.
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
  if (!secret || (query.error && asProblem(query.error).status === 404))
    return (
      <Paper className="tg-gate" p="xl">
        <Stack>
          <Title order={1}>{t("gone")}</Title>
          <Alert color="yellow" icon={<Icon name="info" />}>
            {t("goneText")}
          </Alert>
          <Anchor component={Link} to="/login" size="sm">
            {t("toLogin")}
          </Anchor>
        </Stack>
      </Paper>
    );
  return (
    <Paper className="tg-gate" p="xl">
      <Loaded query={query}>{(link) => <Accept link={link} secret={secret} />}</Loaded>
    </Paper>
  );
}

function Accept(props: { link: Schema["LinkView"]; secret: string }) {
  const { t } = useTranslation(["publicAccept", "session"]);
  const { link } = props;
  const router = useRouter();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const choosesPassword = link.kind !== "invitation" || !link.has_account;
  const isNew = link.kind === "sign_up" || (link.kind === "invitation" && !link.has_account);
  const form = useForm({
    initialValues: { name: "", tenant: "", password: "", again: "" },
    validate: {
      password: (value) =>
        !value
          ? t("session:required")
          : choosesPassword && value.length < LENGTH_MIN
            ? t("session:passwordShort")
            : null,
      again: (value, values) => (choosesPassword && value !== values.password ? t("session:passwordsDiffer") : null),
    },
  });
  const submit = async (values: typeof form.values) => {
    setBusy(true);
    setProblem(null);
    try {
      await api.POST("/api/links/accept", {
        body: {
          secret: props.secret,
          password: values.password,
          name: isNew && values.name.trim() ? values.name.trim() : null,
          tenant_name: link.kind === "sign_up" && values.tenant.trim() ? values.tenant.trim() : null,
        },
      });
      // The address must not keep what is used up, nor should going back come here again.
      const me = await logIn(link.login, values.password);
      router.history.replace(router.history.createHref(me ? homeOf(me) : "/login"));
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };
  const eye = { "aria-label": t("session:show") };
  return (
    <form onSubmit={form.onSubmit(submit)} noValidate>
      <Stack>
        <div>
          <Title order={1}>
            {link.kind === "invitation"
              ? t("publicAccept:join", { tenant: link.tenant_name ?? site.name })
              : link.kind === "sign_up"
                ? t("publicAccept:signUp", { name: site.name })
                : t("publicAccept:reset")}
          </Title>
          <Text c="dimmed" size="sm" mt={4}>
            {link.kind === "invitation" && link.has_account
              ? t("publicAccept:withAccount", { login: link.login })
              : t("publicAccept:newPassword", { login: link.login })}
          </Text>
        </div>
        {problem && <Failure problem={problem} compact />}
        <input type="text" autoComplete="username" value={link.login} readOnly hidden />
        {isNew && (
          <TextInput label={t("publicAccept:yourName")} autoComplete="name" autoFocus {...form.getInputProps("name")} />
        )}
        {link.kind === "sign_up" && (
          <TextInput
            label={t("publicAccept:tenantName")}
            description={t("publicAccept:tenantHint")}
            autoComplete="organization"
            {...form.getInputProps("tenant")}
          />
        )}
        <PasswordInput
          label={choosesPassword ? t("session:newPassword") : t("session:password")}
          description={choosesPassword ? t("session:passwordHint") : undefined}
          autoComplete={choosesPassword ? "new-password" : "current-password"}
          visibilityToggleButtonProps={eye}
          autoFocus={!isNew}
          {...form.getInputProps("password")}
        />
        {choosesPassword && (
          <PasswordInput
            label={t("session:newPasswordAgain")}
            autoComplete="new-password"
            visibilityToggleButtonProps={eye}
            {...form.getInputProps("again")}
          />
        )}
        <Button type="submit" loading={busy} fullWidth size="md">
          {link.kind === "invitation"
            ? t("publicAccept:joinNow")
            : link.kind === "sign_up"
              ? t("publicAccept:create")
              : t("publicAccept:setPassword")}
        </Button>
        <Text size="xs" c="dimmed">
          {t("publicAccept:goodUntil")} <Time at={link.expires_at} form="full" />
        </Text>
      </Stack>
    </form>
  );
}
