import type { MantineColorSchemeManager } from "@mantine/core";
import { chosenTheme } from "./Controls";

/** Mantine keeps nothing by itself: the theme is remembered in one place, which boot.js reads before the first paint. */
export const colorSchemes: MantineColorSchemeManager = {
  get: () => {
    const theme = chosenTheme();
    return theme === "system" ? "auto" : theme;
  },
  set: () => undefined,
  subscribe: () => undefined,
  unsubscribe: () => undefined,
  clear: () => undefined,
};
