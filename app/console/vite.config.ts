import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// Of Node this much is needed here, which is no reason for its types.
declare const process: { env: Record<string, string | undefined> };

const SERVER = process.env.TALLYGATE_DEV_SERVER ?? "http://localhost:3000";

/** What the server does to index.html at each response, for the development server. */
function placeholders(): Plugin {
  return {
    name: "placeholders",
    apply: "serve",
    transformIndexHtml: {
      order: "post",
      async handler(html) {
        const site = await fetch(`${SERVER}/api/site`).then(
          (answer) => answer.text(),
          () => "{}",
        );
        return html
          .replace("__BASE__", "/")
          .replace("__SITE__", site.replaceAll("<", "\\u003c"))
          .replace("__ME__", "")
          .replace("__NONCE__", "")
          .replace("<!--__PARTS__-->", "")
          .replace("__TITLE__", "Tallygate")
          .replace("__LANG__", "en");
      },
    },
  };
}

const SOURCE = `${import.meta.dirname}/src`;
const FIRST = `${SOURCE}/first.ts`;
const asking = new Set<string>();

/** Find what src/first.ts needs to ask the first questions: it must not wait for what draws the answers. */
function first(): Plugin {
  return {
    name: "first",
    apply: "build",
    buildEnd() {
      asking.clear();
      asking.add(FIRST);
      for (const id of asking) for (const each of this.getModuleInfo(id)?.importedIds ?? []) asking.add(each);
    },
  };
}

/**
 * What most pages share is one file, and what several do another: each file more is a round trip more for whoever comes
 * for the first time, and one for everything would be read in vain by most.
 */
const SHARED = {
  groups: [
    { name: "first", test: (id: string) => asking.has(id) && /\.m?[jt]sx?$/.test(id), priority: 2 },
    { name: "kit", minShareCount: 26, priority: 1 },
    { name: "parts", minShareCount: 6 },
  ],
};

export default defineConfig({
  // Relative to <base>, which the server sets: one build serves under any path prefix.
  base: "./",
  plugins: [placeholders(), first()],
  resolve: { alias: { "~": SOURCE } },
  build: {
    manifest: "manifest.json",
    target: "es2022",
    sourcemap: false,
    // Data addresses are not in the content security policy: every asset is a file.
    assetsInlineLimit: 0,
    // "use client" at the head of a module means something to servers that render, of which there is none.
    rolldownOptions: { checks: { moduleLevelDirective: false }, output: { codeSplitting: SHARED } },
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/v1", "/v1beta", "/health", "/metrics"].map((path) => [path, { target: SERVER, changeOrigin: false }]),
    ),
  },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"], setupFiles: ["tests/setup.ts"] },
});
