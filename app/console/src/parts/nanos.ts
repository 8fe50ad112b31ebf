import { decimal as plainDecimal } from "~/lib/format";

/** Nano-units as the ledger has them ("124500", "0.5", "1/3"), in units of the currency, every digit kept. */
export function nanosText(nanos: string): string {
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(nanos);
  // A fraction that no decimal is exact for stays what it is.
  if (!found) return `${nanos} × 10⁻⁹`;
  const [, sign = "", whole = "0", part = ""] = found;
  const digits = whole.padStart(10, "0");
  const text = `${digits.slice(0, -9)}.${digits.slice(-9)}${part}`.replace(/\.?0+$/, "");
  return plainDecimal(sign + (text || "0"));
}
