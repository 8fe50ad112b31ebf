import i18next from "i18next";
import { setLocale } from "~/lib/format";
import { remember } from "~/lib/storage";
import type en from "./en";
import { type Language, preferredLanguage } from "./language";

export { LANGUAGES, type Language, preferredLanguage } from "./language";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "common";
    resources: typeof en;
    returnNull: false;
  }
}

/** Whose pages texts are of. A console shows those before it, too. */
const FACES = ["public", "tenant", "admin"] as const;
export type Face = (typeof FACES)[number];

/** Each is a chunk of its own: nobody loads the other language, and a tenant nothing of the operator. */
const LOADERS: Record<Language, Record<Face, () => Promise<{ default: unknown }>>> = {
  en: {
    public: () => import("./faces/en/public"),
    tenant: () => import("./faces/en/tenant"),
    admin: () => import("./faces/en/admin"),
  },
  "zh-CN": {
    public: () => import("./faces/zh/public"),
    tenant: () => import("./faces/zh/tenant"),
    admin: () => import("./faces/zh/admin"),
  },
};

/** The faces whose texts are there, or on their way. */
const shown = new Set<Face>(["public"]);

const loaded = new Map<string, Promise<void>>();

function load(language: Language, face: Face): Promise<void> {
  const key = `${language} ${face}`;
  const known = loaded.get(key);
  if (known) return known;
  const made = LOADERS[language][face]().then(
    (texts) => {
      for (const [namespace, resources] of Object.entries(texts.default as Record<string, object>))
        i18next.addResourceBundle(language, namespace, resources);
    },
    (thrown) => {
      loaded.delete(key);
      throw thrown;
    },
  );
  loaded.set(key, made);
  return made;
}

/** Have the texts of a console: before its first page, and in every language that is chosen after it. */
export async function withTexts(face: Face): Promise<void> {
  const wanted = FACES.slice(0, FACES.indexOf(face) + 1);
  for (const each of wanted) shown.add(each);
  await Promise.all(wanted.map((each) => load(currentLanguage(), each)));
}

async function apply(language: Language): Promise<void> {
  await Promise.all([...shown].map((face) => load(language, face)));
  setLocale(language);
  document.documentElement.lang = language;
  await i18next.changeLanguage(language);
}

export async function startI18n(language: Language = preferredLanguage()): Promise<void> {
  await i18next.init({
    lng: language,
    fallbackLng: false,
    defaultNS: "common",
    ns: ["common"],
    resources: {},
    interpolation: { escapeValue: false },
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
