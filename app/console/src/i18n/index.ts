import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { setLocale } from "~/lib/format";
import { recall, remember } from "~/lib/storage";
import type en from "./en";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "common";
    resources: typeof en;
    returnNull: false;
  }
}

export const LANGUAGES = { en: "English", "zh-CN": "简体中文" } as const;
export type Language = keyof typeof LANGUAGES;

/** Each language is a chunk of its own; nobody loads the other. */
const LOADERS: Record<Language, () => Promise<{ default: unknown }>> = {
  en: () => import("./en"),
  "zh-CN": () => import("./zh"),
};

/** What the person chose, else what the server or the browser says they read. */
export function preferredLanguage(): Language {
  const wanted = recall("language") ?? "";
  if (wanted in LANGUAGES) return wanted as Language;
  const asked = [document.documentElement.lang, ...navigator.languages].find((tag) => /^(zh|en)/i.test(tag));
  return asked && /^zh/i.test(asked) ? "zh-CN" : "en";
}

async function load(language: Language): Promise<void> {
  if (i18next.hasResourceBundle(language, "common")) return;
  const resources = (await LOADERS[language]()).default as Record<string, object>;
  for (const [namespace, texts] of Object.entries(resources)) i18next.addResourceBundle(language, namespace, texts);
}

async function apply(language: Language): Promise<void> {
  await load(language);
  setLocale(language);
  document.documentElement.lang = language;
  await i18next.changeLanguage(language);
}

export async function startI18n(language: Language = preferredLanguage()): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    defaultNS: "common",
    ns: ["common"],
    resources: {},
    interpolation: { escapeValue: false },
    react: { useSuspense: false },
    returnNull: false,
    showSupportNotice: false,
    // The compiler finds keys that are not there; of those made at run time the tests in a browser hear by this.
    saveMissing: true,
    missingKeyHandler: (_: readonly string[], namespace: string, key: string) => {
      console.error(`There is no text ${namespace}:${key}.`);
    },
  } as Parameters<typeof i18next.init>[0]);
  await apply(language);
}

export async function chooseLanguage(language: Language): Promise<void> {
  await apply(language);
  remember("language", language);
}

export const currentLanguage = (): Language => (i18next.language as Language | undefined) ?? "en";
