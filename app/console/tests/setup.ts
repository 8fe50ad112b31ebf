import { cleanup } from "@testing-library/react";
import { afterEach, vi } from "vitest";
import { startI18n, withTexts } from "~/i18n";
import { pageDrawn } from "~/lib/quiet";

await startI18n("en");
await withTexts("admin");
pageDrawn();

// What happy-dom lacks and Mantine asks for.
vi.stubGlobal("matchMedia", (media: string) => ({
  matches: false,
  media,
  addEventListener: () => {},
  removeEventListener: () => {},
}));

afterEach(cleanup);
