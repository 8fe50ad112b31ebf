export type MenuLink = { label: string; url: string };

/** The links of the bar as the setting holds them; what is no list is none. */
export function linksOf(text: string): MenuLink[] {
  try {
    const read: unknown = JSON.parse(text);
    if (!Array.isArray(read)) return [];
    return read.flatMap((each) =>
      typeof each?.label === "string" && typeof each?.url === "string" ? [{ label: each.label, url: each.url }] : [],
    );
  } catch {
    return [];
  }
}

/** The same for the setting; lines without anything in them are left out. */
export const linksText = (links: MenuLink[]): string =>
  JSON.stringify(
    links
      .map(({ label, url }) => ({ label: label.trim(), url: url.trim() }))
      .filter(({ label, url }) => label !== "" || url !== ""),
  );
