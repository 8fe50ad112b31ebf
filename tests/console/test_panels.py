"""What opens on a page is as accessible as the page: panels, forms, dialogs, menus, tables of charts, and tabs."""

import re
from typing import Final, NamedTuple

import pytest
from playwright.async_api import Error as PlaywrightError

from tests.console.browsing import THEMES, Watched
from tests.console.conftest import Visit
from tests.console.world import World


class Opening(NamedTuple):
    """A page, by a path with ids to fill in, and what is pressed on it in turn: names of buttons, links and fields."""

    path: str
    press: tuple[str, ...] = ()


_OPERATOR: Final = (
    Opening("/admin/overview?from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z&compare=true&live=true"),
    # What does not fit is passed over.
    Opening("/admin/requests?range=custom&from=soon&states=7&latency_min=fast&zone=Nowhere"),
    Opening("/admin/overview", ("The numbers",)),
    Opening("/admin/overview", ("Language",)),
    Opening("/admin/overview", ("Theme",)),
    Opening("/admin/overview", ("Account: *",)),
    Opening("/admin/overview", ("key ?",)),
    Opening("/admin/overview", ("Time zone",)),
    Opening("/admin/live", ("* more filters",)),
    Opening("/admin/live", ("Saved filters",)),
    Opening("/admin/live?model_asked=aurora-large", ("Saved filters", "Save these filters")),
    Opening("/admin/requests?range=30d&row={requestId}"),
    Opening("/admin/requests/{requestId}", ("Compute again",)),
    Opening("/admin/requests", ("Columns",)),
    Opening("/admin/requests", ("Status",)),
    Opening("/admin/usage?compare=true", ("The numbers",)),
    Opening("/admin/channels?new=true"),
    Opening("/admin/channels?row={channelId}"),
    Opening("/admin/channels?row={channelId}&tab=health"),
    Opening("/admin/channels?row={channelId}&tab=history"),
    Opening("/admin/routing?tab=mappings&row={mappingId}"),
    Opening("/admin/routing?tab=mappings&new=true"),
    Opening("/admin/routing?tab=policies&row={policyId}"),
    Opening("/admin/routing?tab=policies&new=true"),
    Opening("/admin/routing?tab=explain"),
    Opening("/admin/groups?cell={multiplierId}"),
    Opening("/admin/prices?tab=models&row=aurora-large"),
    Opening("/admin/prices?tab=margin"),
    Opening("/admin/prices/{cardId}?tab=diff"),
    Opening("/admin/prices/{cardId}?tab=whatif"),
    Opening("/admin/tenants", ("New tenant",)),
    Opening("/admin/tenants/{tenantId}?tab=members"),
    Opening("/admin/tenants/{tenantId}?tab=limits"),
    Opening("/admin/tenants/{tenantId}?tab=history"),
    Opening("/admin/users?row={userId}"),
    Opening("/admin/users?new=true"),
    Opening("/admin/tokens?row={tokenId}"),
    Opening("/admin/wallets?tenant={tenantId}&act=grant"),
    Opening("/admin/wallets?tenant={tenantId}&act=adjust"),
    Opening("/admin/codes?row={batchId}"),
    Opening("/admin/codes?new=true"),
    Opening("/admin/audit", ("row",)),
    Opening("/admin/alerts?tab=sinks"),
    Opening("/admin/ledger?tab=models", ("Rebuild usage",)),
    Opening("/admin/ledger?tab=holds"),
    Opening("/admin/system?tab=jobs"),
    Opening("/admin/system?tab=licenses"),
    Opening("/admin/settings?setting=site_logo"),
    Opening("/admin/settings?setting=site_links"),
    Opening("/admin/settings?setting=site_color"),
    Opening("/admin/settings?history=site_footer"),
    Opening("/admin/settings?tab=announcements&row={announcementId}"),
    Opening("/admin/settings?tab=announcements&new=true"),
    Opening("/admin/account?panel=token"),
)
_TENANT: Final = (
    Opening("/t/{tenantId}/usage?compare=true", ("The numbers",)),
    Opening("/t/{tenantId}/requests?row={requestId}"),
    Opening("/t/{tenantId}/keys?new=true"),
    Opening("/t/{tenantId}/keys?row={tokenId}"),
    Opening("/t/{tenantId}/keys?row={tokenId}&tab=use"),
    Opening("/t/{tenantId}/members?invite=true"),
    Opening("/t/{tenantId}/members?row={userId}"),
    Opening("/t/{tenantId}/wallet?redeem=true"),
    Opening("/t/{tenantId}/wallet?top_up=true"),
    Opening("/t/{tenantId}/prices?row=aurora-large"),
    Opening("/t/{tenantId}/playground?model=demo-chat", ("Model",)),
    Opening("/t/{tenantId}/audit", ("row",)),
    Opening("/t/{tenantId}/settings?panel=edit"),
    Opening("/t/{tenantId}/settings?panel=history"),
    Opening("/t/{tenantId}/settings?panel=token"),
)


_OVER: Final = ":is([role=dialog], [role=menu], [role=listbox])"
_OPENS: Final = re.compile(r"\b(row|new|act|cell|setting|history|panel|invite|redeem|top_up)=")


async def _press(tab: Watched, what: str) -> None:
    page = tab.page
    if what == "row":
        await page.locator(".tg-table .tg-row-link").first.click()
    elif what.startswith("key "):
        await page.keyboard.press(what.removeprefix("key "))
    else:
        name = re.compile("^" + re.escape(what).replace(r"\*", ".*") + "$")
        pressed = page.get_by_role("button", name=name).or_(page.get_by_role("combobox", name=name))
        await pressed.or_(page.get_by_role("menuitem", name=name)).first.click()
    await tab.settle()


@pytest.mark.parametrize(("role", "openings"), [("root", _OPERATOR), ("owner", _TENANT)], ids=["operator", "tenant"])
async def test_what_opens_is_accessible_in_both_themes(
    role: str, openings: tuple[Opening, ...], visit: Visit, world: World
) -> None:
    tab = await visit(role)
    found: list[str] = []
    await tab.open("/admin/account" if role == "root" else f"/t/{world.ids['tenantId']}/prices")
    for number, opening in enumerate(openings):
        name = f"{opening.path} {' '.join(opening.press)}".strip()
        try:
            found += [f"{name}: {each}" for each in await _look(tab, opening, opening.path.format_map(world.ids))]
        except PlaywrightError as error:
            found.append(f"{name}: {error}")
        await tab.shoot(f"opened-{role}-{number:02}", whole=False)
        if opening.press:
            # What a press has opened, no address closes.
            await tab.page.reload()
            await tab.settle()
    await tab.page.close()

    assert not found, "\n".join(found)


async def _look(tab: Watched, opening: Opening, path: str) -> list[str]:
    """Open it, and give what is wrong with it."""
    page = tab.page
    await tab.go(path)
    for what in opening.press:
        await _press(tab, what)
    found: list[str] = []
    over = page.locator(f"{_OVER}:visible")
    if _OPENS.search(path):
        await over.first.wait_for()
        await tab.settle()
    if await page.get_by_text("This page has broken down").count():
        found.append("it breaks down")
    for theme in THEMES:
        await tab.turn(theme)
        within = _OVER if await over.count() else "main"
        # Another theme is other colors, and else the same.
        rule = None if theme == THEMES[0] else "color-contrast"
        seen = await tab.axe(within, rule=rule)
        if seen:
            # On a busy machine something may still be in motion; what is wrong stays so.
            await tab.settle()
            seen = await tab.axe(within, rule=rule)
        found += [f"{theme}: {each}" for each in seen]
    return found + await tab.troubles()
