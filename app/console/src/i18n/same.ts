/** The same keys with texts of another language: what one language file holds, the other must. */
export type Same<T> = { [K in keyof T]: T[K] extends string ? string : Same<T[K]> };
