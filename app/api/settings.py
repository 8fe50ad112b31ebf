"""/api/settings: values that the operator chose. One that was never set stands at its default."""

from collections.abc import Mapping, Sequence

from litestar import Response, delete, get, patch, post, put
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from adapters.postgres.admin_store import Stored
from app.api.call import Call, IfMatch, Limit, Resource, ThisCall, Why, route, version_of, versioned
from app.api.listing import ThisListing
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.common import History, Listing
from app.api.schemas.settings import (
    NewSetting,
    SettingChange,
    SettingEntries,
    SettingEntry,
    SettingState,
    SettingView,
    setting_state,
)
from domain.admin.entities import Setting
from domain.admin.settings import SETTINGS as SETTINGS_KNOWN
from domain.ids import PLATFORM, EntityId

SETTINGS = Resource(
    "setting", state=setting_state, view=SettingView, read=Permission.SETTING_READ, write=Permission.SETTING_WRITE
)


@post("/settings", **route(Permission.SETTING_WRITE, "createSetting", "Make a setting", 409, 422))
async def create_setting(call: ThisCall, data: JSONBody[NewSetting]) -> Response[SettingView]:
    setting = Setting(setting_id=EntityId(""), name=data.name, value=data.value)
    return await SETTINGS.created(call, setting, data.reason)


@get("/settings", **route(Permission.SETTING_READ, "listSettings", "List settings", 422))
async def list_settings(
    call: ThisCall,
    listing: ThisListing,
) -> Listing[SettingView]:
    return await SETTINGS.list(call, listing)


@get("/settings/{setting_id:str}", **route(Permission.SETTING_READ, "getSetting", "Read a setting", 404))
async def read_setting(call: ThisCall, setting_id: FromPath[str]) -> Response[SettingView]:
    return await SETTINGS.read(call, setting_id)


@patch(
    "/settings/{setting_id:str}",
    **route(Permission.SETTING_WRITE, "changeSetting", "Change a setting", 404, 409, 412, 422, 428),
)
async def change_setting(
    call: ThisCall, setting_id: FromPath[str], data: JSONBody[SettingChange], if_match: IfMatch = None
) -> Response[SettingView]:
    return await SETTINGS.change(call, setting_id, if_match, data)


@delete(
    "/settings/{setting_id:str}",
    status_code=200,
    **route(Permission.SETTING_WRITE, "archiveSetting", "Take a setting out of use for good", 404, 409, 412, 428),
)
async def archive_setting(
    call: ThisCall, setting_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[SettingView]:
    return await SETTINGS.archive(call, setting_id, if_match, reason)


@get(
    "/settings/{setting_id:str}/history",
    **route(Permission.SETTING_READ, "getSettingHistory", "Who changed a setting, and how", 404),
)
async def setting_history(call: ThisCall, setting_id: FromPath[str], limit: Limit = 50) -> History[SettingState]:
    return await SETTINGS.history(call, setting_id, limit)


@get(
    "/setting-values",
    **route(Permission.SETTING_READ, "listSettingValues", "Every setting with its value, meaning and default"),
)
async def list_values(call: ThisCall) -> SettingEntries:
    stored = await _stored(call)
    authors = await _authors(call, list(stored.values()))
    return SettingEntries(items=tuple(_entry(name, stored.get(name), authors) for name in SETTINGS_KNOWN))


@put(
    "/setting-values/{name:str}",
    **route(
        Permission.SETTING_WRITE, "setSetting", "Give a setting a value; null is its default", 404, 409, 412, 422, 428
    ),
)
async def set_value(
    call: ThisCall, name: FromPath[str], data: JSONBody[SettingChange], if_match: IfMatch = None
) -> Response[SettingEntry]:
    version = version_of(if_match)
    if name not in SETTINGS_KNOWN:
        raise ApiError("not_found")
    found = (await _stored(call)).get(name)
    if found is not None:
        await SETTINGS.changed(call, found.entity_id, if_match, data)
    elif version != 0:
        raise ApiError("version_conflict")
    elif data.value is not None:
        await SETTINGS.create(call, Setting(setting_id=EntityId(""), name=name, value=data.value), data.reason)
    kept = (await _stored(call)).get(name)
    return versioned(_entry(name, kept, await _authors(call, [kept] if kept is not None else [])))


async def _authors(call: Call, stored: Sequence[Stored]) -> dict[str, tuple[str, str, str | None]]:
    """Give who set each setting last, why, and their login, by its id."""
    store = call.api.administration.store
    found = await store.authors("setting", PLATFORM, stored)
    ids = sorted({actor.removeprefix("user:") for actor, _ in found.values() if actor.startswith("user:")})
    people = await store.entities("user", [PLATFORM], ids) if ids else []
    logins = {f"user:{each.entity_id}": each.entity.login for each in people}
    return {entity_id: (actor, reason, logins.get(actor)) for entity_id, (actor, reason) in found.items()}


async def _stored(call: Call) -> dict[str, Stored]:
    return {each.entity.name: each for each in await call.api.administration.store.all("setting", PLATFORM)}


def _entry(name: str, stored: Stored | None, authors: Mapping[str, tuple[str, str, str | None]]) -> SettingEntry:
    actor, reason, login = authors.get(stored.entity_id if stored is not None else "", (None, "", None))
    known = SETTINGS_KNOWN[name]
    value = stored.entity.value if stored is not None else None
    return SettingEntry(
        name=name,
        group=known.group,
        type=known.type,
        meaning=known.meaning,
        expected=known.expected,
        choices=known.choices,
        value=value if value is not None else known.default,
        default=known.default,
        is_default=value is None,
        id=EntityId(stored.entity_id) if stored is not None else None,
        version=stored.version if stored is not None else 0,
        updated_at=stored.updated_at if stored is not None else None,
        updated_by=actor,
        updated_by_login=login,
        reason=reason,
    )


ROUTES: Sequence[BaseRouteHandler] = (
    create_setting,
    list_settings,
    read_setting,
    change_setting,
    archive_setting,
    setting_history,
    list_values,
    set_value,
)
