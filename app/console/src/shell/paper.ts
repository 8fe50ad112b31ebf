const SCHEME = "data-mantine-color-scheme";

/** Paper is white in every theme: while the page is printed, the light one is on. */
export function whitePaper(): void {
  const root = document.documentElement;
  let onScreen: string | null = null;
  const turn = (toPaper: boolean) => {
    if (toPaper === (onScreen !== null)) return;
    if (toPaper) {
      onScreen = root.getAttribute(SCHEME) ?? "light";
      root.setAttribute(SCHEME, "light");
    } else {
      root.setAttribute(SCHEME, onScreen as string);
      onScreen = null;
    }
  };
  window.addEventListener("beforeprint", () => turn(true));
  window.addEventListener("afterprint", () => turn(false));
  // A preview that stands, as in the browser's own tools, has no such events.
  const print = window.matchMedia("print");
  print.addEventListener("change", () => turn(print.matches));
}
