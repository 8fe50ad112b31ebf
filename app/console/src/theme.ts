import { createTheme, defaultVariantColorsResolver, type MantineColorsTuple } from "@mantine/core";
import i18next from "i18next";
import { site } from "./site";

type Rgb = [number, number, number];

const parse = (hex: string): Rgb => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as Rgb;
const hex = (color: Rgb): string =>
  `#${color
    .map((part) =>
      Math.round(Math.min(255, Math.max(0, part)))
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
const mix = (one: Rgb, other: Rgb, share: number): Rgb =>
  one.map((part, at) => part + ((other[at] ?? 0) - part) * share) as Rgb;

function luminance(color: Rgb): number {
  const [r, g, b] = color.map((part) => {
    const value = part / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(one: string, other: string): number {
  const [high, low] = [luminance(parse(one)), luminance(parse(other))].sort((a, b) => b - a) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];
/** The lightest surface that text of the dark theme stands on. */
const DARK_SURFACE = "#25262b";

/**
 * Ten shades of any brand color. The seventh is the color itself, made darker until white on it can be read (4.5 to 1);
 * the fifth, which the dark theme uses, is made lighter until it can be read on dark surfaces.
 */
export function shades(color: string): MantineColorsTuple {
  let strong = parse(color);
  while (contrast(hex(strong), "#ffffff") < 4.8) strong = mix(strong, BLACK, 0.04);
  let bright = mix(strong, WHITE, 0.3);
  while (contrast(hex(bright), DARK_SURFACE) < 5.2) bright = mix(bright, WHITE, 0.05);
  return [
    mix(strong, WHITE, 0.93),
    mix(strong, WHITE, 0.85),
    mix(strong, WHITE, 0.7),
    mix(bright, WHITE, 0.35),
    bright,
    mix(strong, WHITE, 0.12),
    strong,
    mix(strong, BLACK, 0.14),
    mix(strong, BLACK, 0.28),
    mix(strong, BLACK, 0.42),
  ].map((each) => hex(each as Rgb)) as unknown as MantineColorsTuple;
}

export const FONT =
  '"Inter Variable", -apple-system, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Segoe UI", sans-serif';
export const MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace';

/** The name of the cross that closes something, in the language of the page. */
const closing = () => ({ "aria-label": i18next.t("common:close") });

/** The list itself scrolls, and no box in it that the keyboard would have to reach. */
const LIST = { withScrollArea: false, classNames: { options: "tg-options" } };

export const theme = createTheme({
  primaryColor: "brand",
  primaryShade: { light: 6, dark: 4 },
  autoContrast: true,
  luminanceThreshold: 0.3,
  // Mantine chooses the text on a filled color by its shade in the light theme; that of the dark one is always bright.
  variantColorResolver: (input) => {
    const colors = defaultVariantColorsResolver(input);
    if (input.variant === "filled")
      return { ...colors, color: `light-dark(${colors.color}, var(--mantine-color-black))` };
    // Its text on its tint is just short of 4.5 to 1 in some colors.
    if (input.variant === "light")
      return { ...colors, color: `light-dark(color-mix(in srgb, ${colors.color} 85%, black), ${colors.color})` };
    return colors;
  },
  colors: {
    brand: shades(site.color),
    // The usual ones, but for the seventh: white on it can be read.
    red: ["#fff5f5", "#ffe3e3", "#ffc9c9", "#ffa8a8", "#ff8787", "#ff6b6b", "#d92c2c", "#c92a2a", "#b72525", "#a51f1f"],
    // A touch of blue in the grays: calm, and dark surfaces that are no holes.
    dark: [
      "#d5d9e0",
      "#b4bac5",
      "#99a1ae",
      "#69717f",
      "#434a56",
      "#333944",
      "#262b34",
      "#1c2028",
      "#15181f",
      "#101319",
    ],
    gray: [
      "#f7f8fa",
      "#eff1f4",
      "#e4e7ec",
      "#d5d9e0",
      "#bcc2cc",
      "#959dab",
      "#6b7280",
      "#4b5563",
      "#2f3744",
      "#1b212b",
    ],
  },
  fontFamily: FONT,
  fontFamilyMonospace: MONO,
  defaultRadius: "md",
  cursorType: "pointer",
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.125rem" },
  headings: {
    fontFamily: FONT,
    fontWeight: "620",
    sizes: {
      h1: { fontSize: "1.375rem", lineHeight: "1.3" },
      h2: { fontSize: "1.0625rem", lineHeight: "1.4" },
      h3: { fontSize: "0.9375rem", lineHeight: "1.4" },
    },
  },
  components: {
    Button: { defaultProps: { size: "sm" } },
    TextInput: { defaultProps: { size: "sm" } },
    Select: { defaultProps: { size: "sm", allowDeselect: false, ...LIST } },
    MultiSelect: { defaultProps: LIST },
    TagsInput: { defaultProps: LIST },
    Autocomplete: { defaultProps: LIST },
    // Between the options stands nothing that is none, and the first one has the focus.
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
    Chip: { defaultProps: { variant: "light" } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 250, events: { hover: true, focus: true, touch: true } } },
    Modal: {
      defaultProps: () => ({ centered: true, overlayProps: { backgroundOpacity: 0.4 }, closeButtonProps: closing() }),
    },
    Drawer: {
      defaultProps: () => ({
        position: "right",
        overlayProps: { backgroundOpacity: 0.3 },
        closeButtonProps: closing(),
      }),
    },
    Notification: { defaultProps: () => ({ closeButtonProps: closing() }) },
    Paper: { defaultProps: { withBorder: true, radius: "md" } },
    Card: { defaultProps: { withBorder: true, radius: "md" } },
  },
});
