// Before the first paint: the color scheme, so that nobody who works in the dark is flashed at.
(() => {
  let wanted = null;
  try {
    wanted = localStorage.getItem("tallygate.theme");
  } catch {
    // Storage may be forbidden; the site's theme then decides.
  }
  if (wanted !== "light" && wanted !== "dark" && wanted !== "system") {
    try {
      wanted = JSON.parse(document.getElementById("site").textContent).theme;
    } catch {
      wanted = "system";
    }
  }
  const dark = wanted === "dark" || (wanted !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
