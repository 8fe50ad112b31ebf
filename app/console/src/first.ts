import "@fontsource-variable/inter/wght.css";
import "@mantine/core/styles.css";
import "./styles/console.css";
import "./styles/account.css";
import "./styles/routing.css";
import { preferredLanguage } from "./i18n/language";
import { setLocale } from "./lib/format";
import { askFirst } from "./router/first";
import { knownMe } from "./session/session";

// This file and what it imports are small, and here long before what draws the page: what the page shows is asked for
// meanwhile.
setLocale(preferredLanguage(knownMe()?.user.language));
askFirst();

const parsed = new Promise((resolve) => {
  if (document.readyState !== "loading") resolve(null);
  else document.addEventListener("DOMContentLoaded", resolve, { once: true });
});
void Promise.all([import("./main"), parsed]).then(([{ start }]) => start());
