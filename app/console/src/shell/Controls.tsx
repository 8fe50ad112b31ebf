import { ActionIcon, Menu, Tooltip, useMantineColorScheme } from "@mantine/core";
import { useState } from "react";
import { chooseLanguage, LANGUAGES, type Language } from "~/i18n";
import { useTranslation } from "~/i18n/use";
import { Icon } from "~/kit/Icon";
import { recall, remember } from "~/lib/storage";
import { keepPreference } from "~/session/preferences";
import { site } from "~/site";

export type Theme = "light" | "dark" | "system";
const THEMES: readonly Theme[] = ["light", "dark", "system"];
const ICONS = { light: "sun", dark: "moon", system: "screen" } as const;

export const chosenTheme = (): Theme => {
  const stored = recall("theme") as Theme | null;
  return stored && THEMES.includes(stored) ? stored : site.theme;
};

export function ThemeMenu() {
  const { t } = useTranslation("shell");
  const { setColorScheme } = useMantineColorScheme();
  const [theme, setTheme] = useState(chosenTheme);
  const choose = (next: Theme) => {
    remember("theme", next);
    setTheme(next);
    setColorScheme(next === "system" ? "auto" : next);
    void keepPreference({ theme: next });
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip label={t("theme")}>
          <ActionIcon variant="subtle" color="gray" size={32} aria-label={t("theme")}>
            <Icon name={ICONS[theme]} size={18} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {THEMES.map((each) => (
          <Menu.RadioItem
            key={each}
            value={each}
            checked={theme === each}
            closeMenuOnClick
            rightSection={<Icon name={ICONS[each]} />}
            onChange={() => choose(each)}
          >
            {t(each)}
          </Menu.RadioItem>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

export function LanguageMenu() {
  const { t, i18n } = useTranslation("shell");
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip label={t("language")}>
          <ActionIcon variant="subtle" color="gray" size={32} aria-label={t("language")}>
            <Icon name="globe" size={18} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {(Object.keys(LANGUAGES) as Language[]).map((each) => (
          <Menu.RadioItem
            key={each}
            value={each}
            lang={each}
            checked={i18n.language === each}
            closeMenuOnClick
            onChange={() => void chooseLanguage(each).then(() => keepPreference({ language: each }))}
          >
            {LANGUAGES[each]}
          </Menu.RadioItem>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
