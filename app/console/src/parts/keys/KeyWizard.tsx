import { Button, Group, Modal, Stack, Stepper, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schema } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { useMembers, useModelNames } from "~/parts/account";
import { KeySecret } from "~/parts/KeySecret";
import { TenantChoice } from "~/parts/tenants";
import { useMe } from "~/session/session";
import { BasicFields, LimitFields, ReachFields } from "./TermsFields";
import { bodyOf, freshTerms, type Terms, type TermsProblem, termsProblem } from "./terms";

const STEP_OF: Record<TermsProblem, number> = {
  name: 0,
  date: 0,
  past: 0,
  models: 1,
  network: 1,
  budget_amount: 2,
  budget_whole: 2,
  budget_twice: 2,
};

type Props = {
  opened: boolean;
  onClose: () => void;
  /** Whose key it will be; null lets one choose, as an operator may. */
  tenantId: number | null;
};

/** A new key, in three short steps that may all be left as they are; then its secret, this once. */
export function KeyWizard(props: Props) {
  const { t } = useTranslation("tenantKeys");
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={t("create")}
      size="lg"
      closeOnClickOutside={false}
      closeOnEscape={false}
    >
      {props.opened &&
        (props.tenantId === null ? <OfAny {...props} /> : <Steps {...props} tenantId={props.tenantId} />)}
    </Modal>
  );
}

function OfAny(props: Props) {
  const { t } = useTranslation("common");
  const [tenantId, setTenantId] = useState<number | null>(null);
  const [made, setMade] = useState(false);
  return (
    <Stack>
      {!made && <TenantChoice label={t("terms.tenant")} value={tenantId} onChange={setTenantId} required />}
      {tenantId !== null && <Steps key={tenantId} {...props} tenantId={tenantId} onMade={() => setMade(true)} />}
    </Stack>
  );
}

function Steps(props: { onClose: () => void; tenantId: number; onMade?: () => void }) {
  const { t } = useTranslation(["tenantKeys", "common"]);
  const { tenantId } = props;
  const me = useMe();
  const client = useQueryClient();
  const models = useModelNames(tenantId);
  const { members } = useMembers(tenantId);
  const [chosen, setTerms] = useState<Terms>(() => freshTerms(me.user.id));
  const [step, setStep] = useState(0);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [made, setMade] = useState<Schema["CreatedToken"] | null>(null);

  // A key is a member's, and an operator who looks at a tenant is none.
  const isMember = members.some((each) => each.user_id === chosen.userId);
  const someone = members.find((each) => !each.disabled)?.user_id ?? chosen.userId;
  const terms = isMember ? chosen : { ...chosen, userId: someone };
  const wrong = termsProblem(terms);
  const shown = tried ? wrong : null;
  const change = (patch: Partial<Terms>) => setTerms((old) => ({ ...old, ...patch }));
  const isWrongHere = wrong !== null && STEP_OF[wrong] <= step;

  const next = async () => {
    if (isWrongHere) {
      setTried(true);
      setStep(STEP_OF[wrong]);
      return;
    }
    setTried(false);
    if (step < 2) {
      setStep(step + 1);
      return;
    }
    setBusy(true);
    setProblem(null);
    try {
      const body = { ...bodyOf(terms), tenant_id: tenantId, user_id: terms.userId };
      setMade(await data(api.POST("/api/tokens", { body })));
      props.onMade?.();
      void client.invalidateQueries({ queryKey: ["get", "/api/tokens"] });
      void client.invalidateQueries({ queryKey: ["get", "/api/limits"] });
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };

  if (made)
    return (
      <Stack>
        <Text fw={600}>{t("tenantKeys:made", { name: made.name })}</Text>
        <KeySecret
          secret={made.secret}
          model={terms.allModels ? (models[0] ?? "demo-chat") : (terms.models[0] ?? "")}
        />
        <Group justify="flex-end">
          <Button onClick={props.onClose}>{t("tenantKeys:stored")}</Button>
        </Group>
      </Stack>
    );
  const fields = { tenantId, terms, onChange: change, problem: shown, isNew: true };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void next();
      }}
    >
      <Stepper active={step} onStepClick={setStep} allowNextStepsSelect={!isWrongHere} size="sm" className="tg-steps">
        <Stepper.Step label={t("tenantKeys:steps.basics")}>
          <BasicFields {...fields} />
        </Stepper.Step>
        <Stepper.Step label={t("tenantKeys:steps.reach")}>
          <ReachFields {...fields} />
        </Stepper.Step>
        <Stepper.Step label={t("tenantKeys:steps.limits")}>
          <LimitFields {...fields} />
        </Stepper.Step>
      </Stepper>
      {problem && <Failure problem={problem} />}
      <Group justify="space-between" mt="lg">
        <Button variant="default" onClick={step === 0 ? props.onClose : () => setStep(step - 1)}>
          {step === 0 ? t("common:cancel") : t("common:back")}
        </Button>
        <Button type="submit" loading={busy}>
          {step === 2 ? t("tenantKeys:create") : t("common:continue")}
        </Button>
      </Group>
    </form>
  );
}
