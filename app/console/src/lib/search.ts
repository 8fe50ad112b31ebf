/**
 * Validated search parameters: what a page keeps in its URL. Whatever does not fit is left out, so that a mangled link
 * shows the page, and never an error.
 *
 *     const search = searchOf({ search: text, suspended: flag, sort: oneOf("name", "-name"), row: text });
 */
type Reader<T> = (value: unknown) => T | undefined;

export const text: Reader<string> = (value) =>
  typeof value === "string" && value !== "" ? value : typeof value === "number" ? String(value) : undefined;
export const flag: Reader<boolean> = (value) =>
  value === true || value === "true" ? true : value === false || value === "false" ? false : undefined;
export const whole: Reader<number> = (value) => {
  const number =
    typeof value === "number" ? value : typeof value === "string" && value !== "" ? Number(value) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
};
export const oneOf =
  <const T extends string>(...allowed: T[]): Reader<T> =>
  (value) =>
    allowed.includes(value as T) ? (value as T) : undefined;
export const several: Reader<string[]> = (value) => {
  const items = Array.isArray(value) ? value : typeof value === "string" ? value.split(",") : [];
  const texts = items.filter((each): each is string => typeof each === "string" && each !== "");
  return texts.length ? texts : undefined;
};

export type SearchOf<S extends Record<string, Reader<unknown>>> = {
  [K in keyof S]?: S[K] extends Reader<infer T> ? T : never;
};

export const searchOf =
  <S extends Record<string, Reader<unknown>>>(readers: S) =>
  (raw: Record<string, unknown>): SearchOf<S> => {
    const read: Record<string, unknown> = {};
    for (const [key, reader] of Object.entries(readers)) {
      const value = reader(raw[key]);
      // The router lays this over what the URL holds: what does not fit must be said to be nothing.
      if (value !== undefined || raw[key] !== undefined) read[key] = value;
    }
    return read as SearchOf<S>;
  };
