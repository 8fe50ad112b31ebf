import { Alert, Button, Checkbox, Group, Modal, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { Schema } from "~/api/client";
import { useTranslation } from "~/i18n/use";
import { Copy } from "~/kit/Copy";
import { Icon } from "~/kit/Icon";
import { Scroll } from "~/kit/Scroll";
import { saveCsv } from "~/lib/csv";
import { dateTime, localZone, money } from "~/lib/format";
import { site } from "~/site";

/** New codes, shown this once: to copy, to save, and to print. They stay until somebody says that they are stored. */
export function CodesOnce(props: { batch: Schema["CreatedBatch"] | null; onClose: () => void }) {
  const { t } = useTranslation(["adminCodes", "common", "kit"]);
  const [kept, setKept] = useState(false);
  const { batch } = props;
  const close = () => {
    setKept(false);
    props.onClose();
  };
  return (
    <Modal
      opened={batch !== null}
      onClose={close}
      title={t("adminCodes:once.title", { count: batch?.codes.length ?? 0 })}
      size="xl"
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
      classNames={batch ? { root: "tg-print-sheet" } : undefined}
    >
      {batch && (
        <Stack>
          <Alert color="yellow" icon={<Icon name="ticket" />} className="tg-noprint">
            {t("adminCodes:once.warning")}
          </Alert>
          <Group gap="xs" className="tg-noprint">
            <Button
              leftSection={<Icon name="download" />}
              onClick={() =>
                saveCsv(
                  batch.name,
                  [t("common:terms.code"), t("common:terms.amount"), t("adminCodes:columns.expires")],
                  batch.codes.map((code) => [code, batch.amount, batch.expires_at]),
                )
              }
            >
              {t("adminCodes:once.csv")}
            </Button>
            <Button variant="default" leftSection={<Icon name="print" />} onClick={() => window.print()}>
              {t("adminCodes:once.print")}
            </Button>
            <Group gap={4}>
              <Text size="sm">{t("adminCodes:once.copyAll")}</Text>
              <Copy value={batch.codes.join("\n")} what={t("adminCodes:once.all")} />
            </Group>
          </Group>
          <div>
            <Title order={2} className="tg-print-title">
              {t("adminCodes:once.sheet", { site: site.name, name: batch.name })}
            </Title>
            <Text size="sm" c="dimmed">
              {batch.expires_at
                ? t("adminCodes:once.termsUntil", {
                    amount: money(batch.amount),
                    until: dateTime(batch.expires_at, localZone()),
                  })
                : t("adminCodes:once.terms", { amount: money(batch.amount) })}
            </Text>
          </div>
          <Scroll label={t("adminCodes:once.title", { count: batch.codes.length })}>
            <ul className="tg-codes">
              {batch.codes.map((code) => (
                <li key={code}>
                  <code>{code}</code>
                  <span className="tg-noprint">
                    <Copy value={code} what={code} size={20} />
                  </span>
                </li>
              ))}
            </ul>
          </Scroll>
          <Group justify="space-between" className="tg-noprint">
            <Checkbox
              label={t("kit:secret.kept")}
              checked={kept}
              onChange={(event) => setKept(event.currentTarget.checked)}
            />
            <Button onClick={close} disabled={!kept}>
              {t("common:done")}
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
