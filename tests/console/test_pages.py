"""Every page as it is seen: both languages, both themes, narrow and zoomed, with nothing wrong in the browser."""

import re
from typing import Final

import pytest

from tests.console.browsing import LANGUAGES, NARROW, THEMES, WIDE, ZOOMED, Watched, untranslated
from tests.console.conftest import Visit
from tests.console.pages import Page, pages, source
from tests.console.world import World

PAGES: Final = pages()
_WHO: Final = {"admin": "root", "tenant": "owner", "public": ""}
_NARROW: Final = frozenset({"tenant", "public"})


def _path(page: Page, world: World) -> str:
    """Fill in what the path leaves open."""
    missing = [name for name in page.parameters if name not in world.ids]
    assert missing == [], f"{page.path}: tests/console/world.py has nothing for {missing}"
    return re.sub(r"\$(\w+)", lambda found: world.ids[found[1]], page.path) or "/"


def test_the_pages_are_found() -> None:
    faces = [page.face for page in PAGES]

    assert faces.count("admin") >= 20
    assert faces.count("tenant") >= 12
    assert faces.count("public") >= 8


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.slug)
async def test_a_page_is_whole_accessible_and_calm(page: Page, language: str, visit: Visit, world: World) -> None:
    tab = await visit(_WHO[page.face], language)
    try:
        found = await _findings(tab, page, language, _path(page, world))
        assert not found, f"{page.path} in {language}:\n" + "\n".join(found)
    finally:
        await tab.page.close()


async def _findings(tab: Watched, page: Page, language: str, path: str) -> list[str]:
    """Look at a page in every way, and give what is wrong with it."""
    found: list[str] = []
    await tab.open(path)
    if await tab.page.evaluate("document.documentElement.lang") != language:
        found.append("it is in another language")
    for theme in THEMES:
        await tab.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await tab.page.wait_for_selector(f'html[data-mantine-color-scheme="{theme}"]', state="attached")
        await tab.settle()
        await tab.shoot(f"{page.slug}.{language}.{theme}")
        found += [f"{theme}: {each}" for each in await tab.axe()]
    await tab.page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found += [f"untranslated: {each}" for each in untranslated(await tab.page.inner_text("body"), _namespaces())]
    await tab.page.set_viewport_size(ZOOMED)
    await tab.settle()
    found += [f"at 200 %: {each}" for each in await tab.sideways()]
    if page.face in _NARROW:
        await tab.page.set_viewport_size(NARROW)
        await tab.settle()
        found += [f"at 360 px: {each}" for each in await tab.sideways()]
        await tab.shoot(f"{page.slug}.{language}.360")
    await tab.page.set_viewport_size(WIDE)
    return found + await tab.troubles()


def _namespaces() -> list[str]:
    return sorted(path.stem for path in source("src/i18n/en").glob("*.ts"))


async def test_a_viewer_sees_the_pages_of_their_tenant_and_no_error(visit: Visit, world: World) -> None:
    tab = await visit("viewer")
    found = []
    for page in (page for page in PAGES if page.face == "tenant" and page.parameters == ["tenantId"]):
        await tab.open(_path(page, world))
        found += [f"{page.path}: {each}" for each in await tab.troubles()]
    await tab.page.close()

    assert found == []


async def test_a_tenants_people_do_not_come_into_the_operators_console(visit: Visit, world: World) -> None:
    tab = await visit("owner")
    await tab.open("/admin/overview")

    assert tab.page.url.startswith(f"{world.url}/t/")
    await tab.page.close()


async def test_whoever_is_not_logged_in_is_asked_to_and_comes_back(visit: Visit, world: World) -> None:
    tab = await visit()
    await tab.open("/admin/channels")

    assert tab.page.url.startswith(f"{world.url}/login?next=")
    await tab.page.close()


async def test_an_address_of_no_page_says_so(visit: Visit) -> None:
    tab = await visit()
    await tab.open("/no/such/page")

    assert await tab.troubles() == []
    assert await tab.axe() == []
    await tab.shoot("not-found.en.light")
    await tab.page.close()
