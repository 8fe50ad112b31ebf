/** Every time zone that the browser knows, UTC among them. */
export const zones = (): string[] => [...new Set(["UTC", ...Intl.supportedValuesOf("timeZone")])];
