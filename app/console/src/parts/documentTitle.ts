import { useEffect } from "react";
import { site } from "~/site";

/** The title of the window, for pages without the frame of `Page`. */
export function useDocumentTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · ${site.name}`;
  }, [title]);
}
