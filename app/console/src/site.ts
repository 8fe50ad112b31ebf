import type { components } from "~/api/schema";

export type Site = components["schemas"]["SiteView"];

const UNBRANDED: Site = {
  announcements: [],
  base_url: "",
  color: "#1a7f64",
  currency: "USD",
  footer: "",
  home_frame: "",
  home_kind: "markdown",
  home_page: "",
  links: [],
  logo: "",
  name: "Tallygate",
  notice: "",
  prices_open: true,
  sign_up_open: false,
  status_open: true,
  theme: "system",
  top_up: "",
  version: "",
};

/** What the server wrote into the page: brand, links and announcements, known before the first request. */
export const site: Site = { ...UNBRANDED, ...read() };

function read(): Partial<Site> {
  const text = document.getElementById("site")?.textContent ?? "";
  return text.startsWith("{") ? (JSON.parse(text) as Partial<Site>) : {};
}

/** An address under the path that this page is served at: `/` at home, `/gateway/` behind a proxy. */
export const address = (path: string): string => new URL(path.replace(/^\//, ""), document.baseURI).href;

/** The path prefix, without the slash at its end. */
export const basepath = new URL(document.baseURI).pathname.replace(/\/[^/]*$/, "");

/** The base URL that programs call, as snippets show it: what the operator says, else where this page came from. */
export const apiBase = (): string => (site.base_url ? `${site.base_url.replace(/\/$/, "")}/v1` : address("v1"));
