import { address, apiBase } from "~/site";

/** What a shell needs so that programs made for OpenAI come here. */
export const environmentOf = (secret: string): string =>
  `export OPENAI_BASE_URL="${apiBase()}"\nexport OPENAI_API_KEY="${secret}"`;

/** A report of the REST API, asked for by a program. */
export const reportCommand = (path: string, query: Record<string, string>): string =>
  `curl -H "Authorization: Bearer tgp_..." \\\n  "${address(path)}?${new URLSearchParams(query)}"`;

/** The setting that names where alerts are told. */
export const ALERT_SETTING = 'TALLYGATE_ALERT_URLS="https://hooks.example.com/... mailtos://..."';
