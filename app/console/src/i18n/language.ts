import { recall } from "~/lib/storage";

export const LANGUAGES = { en: "English", "zh-CN": "简体中文" } as const;
export type Language = keyof typeof LANGUAGES;

/** What the person chose, else what the server or the browser says they read. */
export function preferredLanguage(chosen = ""): Language {
  const wanted = chosen || (recall("language") ?? "");
  if (wanted in LANGUAGES) return wanted as Language;
  const asked = [document.documentElement.lang, ...navigator.languages].find((tag) => /^(zh|en)/i.test(tag));
  return asked && /^zh/i.test(asked) ? "zh-CN" : "en";
}
