import { Button, Group, Select, Stack } from "@mantine/core";
import { useState } from "react";
import { api, queryClient } from "~/api/client";
import { type ApiProblem, asProblem } from "~/api/problem";
import { chooseLanguage, LANGUAGES, type Language } from "~/i18n";
import { useTranslation } from "~/i18n/use";
import { Failure } from "~/kit/Failure";
import { localZone } from "~/lib/format";
import { meQuery, useMe } from "~/session/session";

/** Language and time zone, kept with the person. */
export function YouStep(props: { onDone: () => void }) {
  const { t, i18n } = useTranslation(["publicWelcome", "common"]);
  const me = useMe();
  const [zone, setZone] = useState(me.user.time_zone || localZone());
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await api.PATCH("/api/me", { body: { language: i18n.language as Language, time_zone: zone } });
      await queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
      props.onDone();
    } catch (thrown) {
      setProblem(asProblem(thrown));
    } finally {
      setBusy(false);
    }
  };
  const zones = Intl.supportedValuesOf("timeZone");
  return (
    <Stack>
      <Group grow align="flex-start">
        <Select
          label={t("publicWelcome:you.language")}
          data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
          value={i18n.language}
          onChange={(next) => next && void chooseLanguage(next as Language)}
        />
        <Select
          label={t("publicWelcome:you.zone")}
          data={zones.includes(zone) ? zones : [zone, ...zones]}
          value={zone}
          onChange={(next) => next && setZone(next)}
          searchable
          limit={100}
        />
      </Group>
      {problem && <Failure problem={problem} />}
      <Group>
        <Button onClick={submit} loading={busy} data-testid="you-done">
          {t("common:continue")}
        </Button>
      </Group>
    </Stack>
  );
}
