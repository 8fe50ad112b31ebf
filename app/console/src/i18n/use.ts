import i18next, { type Namespace, type TFunction } from "i18next";
import { useMemo, useSyncExternalStore } from "react";

const subscribe = (onChange: () => void): (() => void) => {
  i18next.on("languageChanged", onChange);
  return () => i18next.off("languageChanged", onChange);
};

/**
 * Texts in the language of the page, and again when another one is chosen: `const { t } = useTranslation("kit")`.
 * Of several namespaces the first is that of keys without a prefix: `useTranslation(["kit", "common"])`, `t("common:save")`.
 */
export function useTranslation<const N extends Namespace = "common">(namespaces?: N) {
  const language = useSyncExternalStore(subscribe, () => i18next.language);
  const first = typeof namespaces === "object" ? namespaces[0] : namespaces;
  const t = useMemo(() => i18next.getFixedT(language, first ?? "common"), [language, first]) as TFunction<N>;
  return { t, i18n: i18next };
}
