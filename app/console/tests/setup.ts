import { cleanup } from "@testing-library/react";
import { afterEach, vi } from "vitest";
import { startI18n } from "~/i18n";

await startI18n("en");

// What happy-dom lacks and Mantine asks for.
vi.stubGlobal("matchMedia", (media: string) => ({
  matches: false,
  media,
  addEventListener: () => {},
  removeEventListener: () => {},
}));

afterEach(cleanup);
