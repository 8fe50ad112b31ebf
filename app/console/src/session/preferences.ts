import { useMantineColorScheme } from "@mantine/core";
import { useEffect } from "react";
import { api, data, queryClient, type Schema } from "~/api/client";
import { chooseLanguage, currentLanguage, type Language } from "~/i18n";
import { setHomeZone } from "~/lib/format";
import { remember } from "~/lib/storage";
import { meQuery, useMaybeMe } from "./session";

/** Keep what somebody chose with them, so that other browsers follow; strangers choose for their browser only. */
export async function keepPreference(patch: Schema["MeChange"]): Promise<void> {
  if (!queryClient.getQueryData(meQuery.queryKey)) return;
  queryClient.setQueryData(meQuery.queryKey, await data(api.PATCH("/api/me", { body: patch })));
}

/** Show the console as whoever is logged in wants it; what they leave open stays as this browser has it. */
export function usePreferences(): void {
  const me = useMaybeMe();
  const { setColorScheme } = useMantineColorScheme();
  const { language = "", theme = "system", time_zone: zone = "" } = me?.user ?? {};
  // Before anything is drawn: no page may show one zone, and then another.
  setHomeZone(zone);
  useEffect(() => {
    if (language && language !== currentLanguage()) void chooseLanguage(language as Language);
  }, [language]);
  useEffect(() => {
    if (theme === "system") return;
    remember("theme", theme);
    setColorScheme(theme);
  }, [theme, setColorScheme]);
}
