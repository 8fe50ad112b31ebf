"""/api/settings: values that the operator chose. One that was never set stands at its default."""

from collections.abc import Sequence

from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from app.api.call import IfMatch, Limit, Resource, ThisCall, Why, route
from app.api.listing import ThisListing
from app.api.permissions import Permission
from app.api.schemas.common import History, Listing
from app.api.schemas.settings import NewSetting, SettingChange, SettingState, SettingView, setting_state
from domain.admin.entities import Setting
from domain.ids import EntityId

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


ROUTES: Sequence[BaseRouteHandler] = (
    create_setting,
    list_settings,
    read_setting,
    change_setting,
    archive_setting,
    setting_history,
)
