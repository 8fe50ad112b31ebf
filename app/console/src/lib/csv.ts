import { saveText } from "./download";

export type Cell = string | number | boolean | null | undefined;

/** A cell that a spreadsheet would take for a formula gets a quote before it: tenants choose names, operators open files. */
export function csvCell(value: Cell): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  const safe = typeof value === "string" && /^[=+@\t\r]|^-(?!\d)/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csvOf = (header: string[], rows: Cell[][]): string =>
  `${[header, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n")}\r\n`;

export const saveCsv = (name: string, header: string[], rows: Cell[][]): void =>
  saveText(`${name}.csv`, csvOf(header, rows), "text/csv;charset=utf-8");
