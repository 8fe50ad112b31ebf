import { Skeleton, Stack } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "~/i18n/use";

/** True after 150 ms: what loads faster needs no placeholder, which would only flicker. */
export function useLate(active = true, after = 150): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (!active) return;
    const timer = setTimeout(() => setLate(true), after);
    return () => clearTimeout(timer);
  }, [active, after]);
  return late && active;
}

/** Where a page or part will be. */
export function Pending(props: { rows?: number }) {
  const { t } = useTranslation("common");
  const late = useLate();
  return (
    <Stack gap="sm" role="status" aria-label={t("loading")} aria-busy="true" mih={120}>
      {late &&
        Array.from({ length: props.rows ?? 6 }, (_, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the placeholders are alike and never move.
          <Skeleton key={index} h={index === 0 ? 28 : 18} w={index === 0 ? "40%" : "100%"} />
        ))}
    </Stack>
  );
}
