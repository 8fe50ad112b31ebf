import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, type ReactNode, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "./api/client";
import { preferredLanguage, startI18n } from "./i18n";
import { pageDrawn, whenQuiet } from "./lib/quiet";
import { nonce } from "./nonce";
import { router } from "./router/router";
import { loadMe } from "./session/session";
import { chosenTheme } from "./shell/Controls";
import { colorSchemes } from "./shell/colorSchemes";
import { whitePaper } from "./shell/paper";
import { theme } from "./theme";

const NO_TOASTS = { default: (): ReactNode => null };
// A page whose messages cannot be loaded, for the server is another version by now, is still better than none.
const Toasts = lazy<() => ReactNode>(() =>
  whenQuiet()
    .then(() => import("./shell/Toasts"))
    .catch(() => NO_TOASTS),
);

/** Draw the page that the address says. */
export async function start(): Promise<void> {
  await startI18n(preferredLanguage((await loadMe().catch(() => null))?.user.language));
  whitePaper();
  const root = document.getElementById("root");
  if (!root) throw new Error("index.html has no #root.");
  const wanted = chosenTheme();
  // Its parts have asked for their figures by then.
  router.subscribe("onRendered", () => setTimeout(pageDrawn));
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        colorSchemeManager={colorSchemes}
        defaultColorScheme={wanted === "system" ? "auto" : wanted}
        getStyleNonce={nonce}
      >
        <QueryClientProvider client={queryClient}>
          <RouterProvider router={router} />
          <Suspense fallback={null}>
            <Toasts />
          </Suspense>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
