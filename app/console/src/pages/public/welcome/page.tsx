import { Button, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Navigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Loaded } from "~/kit/Loaded";
import { Page } from "~/kit/Page";
import { useUrl } from "~/lib/url";
import { homeOf, isOperator, useMay, useMaybeMe } from "~/session/session";
import { CallStep } from "./CallStep";
import { Next } from "./Next";
import { publicWelcomeRoute } from "./routes";
import { Step } from "./Step";
import { TenantStep } from "./TenantStep";
import { VendorStep } from "./VendorStep";
import { YouStep } from "./YouStep";

type Setup = Schema["SetupView"];
type Started = Schema["Started"];

/** From a new installation to the first call that was charged: four steps on one page. */
export default function WelcomePage() {
  const { t } = useTranslation("publicWelcome");
  const me = useMaybeMe();
  const may = useMay();
  if (!me || me.user.must_change_password) return <Navigate to="/login" search={{ next: "/welcome" }} replace />;
  return (
    <Page title={t("title")} about={t("about")}>
      {isOperator(me) && may("setting:read") ? (
        <Steps />
      ) : (
        <Stack align="flex-start">
          <Text>{t("notYours")}</Text>
          <Button component={Link} to={homeOf(me)}>
            {t("toConsole")}
          </Button>
        </Stack>
      )}
    </Page>
  );
}

function Steps() {
  const setup = useQuery({ queryKey: ["get", "/api/setup"], queryFn: () => data(api.GET("/api/setup")) });
  return <Loaded query={setup}>{(read) => <StepList setup={read} onChange={() => void setup.refetch()} />}</Loaded>;
}

function StepList(props: { setup: Setup; onChange: () => void }) {
  const { t } = useTranslation("publicWelcome");
  const [search, setSearch] = useUrl(publicWelcomeRoute);
  const [started, setStarted] = useState<Started | null>(null);
  const step = search.step ?? "you";
  const order = ["you", "vendor", "tenant", "call"] as const;
  const stateOf = (each: (typeof order)[number]) =>
    each === step ? "open" : order.indexOf(each) < order.indexOf(step) ? "done" : "waits";
  const open = (each: (typeof order)[number]) => setSearch({ step: each }, { push: true });
  return (
    <Stack gap="md" maw={820} data-testid="welcome">
      <Step number={1} title={t("you.title")} about={t("you.about")} state={stateOf("you")} onOpen={() => open("you")}>
        <YouStep onDone={() => open("vendor")} />
      </Step>
      <Step
        number={2}
        title={t("vendor.title")}
        about={t("vendor.about")}
        state={stateOf("vendor")}
        summary={search.model}
        onOpen={() => open("vendor")}
      >
        <VendorStep
          hasDemo={props.setup.demo_channels > 0}
          onDone={(model) => {
            props.onChange();
            setSearch({ step: "tenant", model }, { push: true });
          }}
        />
      </Step>
      <Step
        number={3}
        title={t("tenant.title")}
        about={t("tenant.about")}
        state={stateOf("tenant")}
        summary={started?.tenant.name}
        onOpen={() => open("tenant")}
      >
        <TenantStep
          onDone={(made) => {
            setStarted(made);
            props.onChange();
            setSearch({ step: "call", tenant: made.tenant.id }, { push: true });
          }}
        />
      </Step>
      <Step number={4} title={t("call.title")} about={t("call.about")} state={stateOf("call")}>
        <CallStep
          started={started}
          tenantId={search.tenant}
          model={search.model ?? "demo-chat"}
          onAnother={() => open("tenant")}
        />
      </Step>
      <Next setup={props.setup} />
    </Stack>
  );
}
