"""Everything is reached by the keyboard alone, and one sees where one is."""

from typing import Any, Final

import pytest

from tests.console.browsing import Watched
from tests.console.conftest import Visit
from tests.console.world import World

STOPS_MAX: Final = 250
_TOP: Final = """
() => {
  // Where a page has put the focus, Tab goes on from there.
  const top = document.createElement("span");
  top.tabIndex = -1;
  document.body.prepend(top);
  top.focus();
}
"""
_STOP: Final = """
() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  window.__stops ??= new Map();
  if (!window.__stops.has(at)) window.__stops.set(at, window.__stops.size);
  const style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  // What is hidden behind a styled control (a checkbox, a switch) shows its focus on the element around it.
  const marks = [at, at.nextElementSibling, at.parentElement].filter(Boolean).map((each) => getComputedStyle(each));
  return {
    number: window.__stops.get(at),
    name: `${at.tagName}.${at.className} "${(at.ariaLabel ?? at.textContent ?? "").trim().slice(0, 40)}"`,
    shown: [box, at.nextElementSibling?.getBoundingClientRect()].some((each) => each?.width > 0 && each.height > 0)
      && style.visibility !== "hidden",
    marked: marks.some((each) => (each.outlineStyle !== "none" && parseFloat(each.outlineWidth) > 0)
      || each.boxShadow !== "none" || at.matches("input, textarea, select")),
  };
}
"""
_REACHABLE: Final = """
() => [...document.querySelectorAll("#root :is(a[href], button, input, select, textarea, summary, [tabindex])")]
  .filter((each) => each.tabIndex >= 0 && !each.disabled && each.type !== "hidden" && each.checkVisibility({
    visibilityProperty: true }) && !each.closest("[inert]"))
  .filter((each) => !(window.__stops ?? new Map()).has(each))
  // Of radios of one name, and of tabs, the arrow keys reach the others.
  .filter((each) => each.type !== "radio" && each.getAttribute("role") !== "tab")
  .map((each) => `${each.tagName.toLowerCase()} "${(each.getAttribute("aria-label") ?? each.textContent).trim()}"`)
"""


async def _walk(tab: Watched) -> list[dict[str, Any]]:
    """Press Tab from the top until one is around."""
    stops: list[dict[str, Any]] = []
    for _ in range(STOPS_MAX):
        await tab.page.keyboard.press("Tab")
        stop = await tab.page.evaluate(_STOP)
        if stop is None or stop["number"] < len(stops):
            return stops
        stops.append(stop)
    raise AssertionError(f"{tab.page.url} keeps the focus: {[stop['name'] for stop in stops[-5:]]}")


@pytest.mark.parametrize(("role", "path"), [("", "/login"), ("root", "/admin/overview"), ("owner", "/t/{tenantId}")])
async def test_tab_reaches_everything_in_turn_and_shows_where_it_is(
    role: str, path: str, visit: Visit, world: World
) -> None:
    tab = await visit(role)
    await tab.open(path.format_map(world.ids))
    await tab.page.evaluate(_TOP)

    stops = await _walk(tab)

    assert len(stops) > 3
    assert [stop["name"] for stop in stops if not stop["shown"]] == []
    assert [stop["name"] for stop in stops if not stop["marked"]] == []
    assert await tab.page.evaluate(_REACHABLE) == []
    await tab.page.close()


async def test_the_first_stop_skips_to_what_the_page_is_about(visit: Visit, world: World) -> None:
    tab = await visit("owner")
    await tab.open(f"/t/{world.ids['tenantId']}/keys")
    await tab.page.evaluate(_TOP)

    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.press("Enter")

    assert await tab.page.evaluate("() => document.activeElement?.closest('main') !== null")
    await tab.page.close()
