"""/api/announcements: what people are told on every page for a while."""

from collections.abc import Sequence

from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from app.api.call import IfMatch, Limit, Resource, ThisCall, Why, route
from app.api.listing import ThisListing
from app.api.permissions import Permission
from app.api.schemas.announcements import (
    AnnouncementChange,
    AnnouncementState,
    AnnouncementView,
    Audience,
    Level,
    NewAnnouncement,
    Notices,
    announcement_state,
)
from app.api.schemas.common import History, Listing
from domain.admin.entities import Announcement
from domain.ids import EntityId

ANNOUNCEMENTS = Resource(
    "announcement",
    state=announcement_state,
    view=AnnouncementView,
    read=Permission.SETTING_READ,
    write=Permission.SETTING_WRITE,
)


@post("/announcements", **route(Permission.SETTING_WRITE, "createAnnouncement", "Make an announcement", 422))
async def create_announcement(call: ThisCall, data: JSONBody[NewAnnouncement]) -> Response[AnnouncementView]:
    announcement = Announcement(
        announcement_id=EntityId(""),
        title=data.title,
        body=data.body,
        level=data.level,
        audience=data.audience,
        starts_at=data.starts_at.isoformat() if data.starts_at is not None else None,
        ends_at=data.ends_at.isoformat() if data.ends_at is not None else None,
    )
    return await ANNOUNCEMENTS.created(call, announcement, data.reason)


@get("/announcements", **route(Permission.SETTING_READ, "listAnnouncements", "List announcements", 422))
async def list_announcements(
    call: ThisCall,
    listing: ThisListing,
    *,
    level: FromQuery[Level | None] = None,
    audience: FromQuery[Audience | None] = None,
) -> Listing[AnnouncementView]:
    return await ANNOUNCEMENTS.list(call, listing, filters={"level": level, "audience": audience})


@get("/notices", **route(Permission.SELF, "getNotices", "The announcements that you should see now"))
async def notices(call: ThisCall) -> Notices:
    audiences = {"everyone", "users", *(["operators"] if call.principal.is_operator else [])}
    return Notices(items=await call.api.public.notices(audiences))


@get(
    "/announcements/{announcement_id:str}",
    **route(Permission.SETTING_READ, "getAnnouncement", "Read an announcement", 404),
)
async def read_announcement(call: ThisCall, announcement_id: FromPath[str]) -> Response[AnnouncementView]:
    return await ANNOUNCEMENTS.read(call, announcement_id)


@patch(
    "/announcements/{announcement_id:str}",
    **route(Permission.SETTING_WRITE, "changeAnnouncement", "Change an announcement", 404, 409, 412, 422, 428),
)
async def change_announcement(
    call: ThisCall, announcement_id: FromPath[str], data: JSONBody[AnnouncementChange], if_match: IfMatch = None
) -> Response[AnnouncementView]:
    return await ANNOUNCEMENTS.change(call, announcement_id, if_match, data)


@delete(
    "/announcements/{announcement_id:str}",
    status_code=200,
    **route(Permission.SETTING_WRITE, "archiveAnnouncement", "Take an announcement down for good", 404, 409, 412, 428),
)
async def archive_announcement(
    call: ThisCall, announcement_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[AnnouncementView]:
    return await ANNOUNCEMENTS.archive(call, announcement_id, if_match, reason)


@get(
    "/announcements/{announcement_id:str}/history",
    **route(Permission.SETTING_READ, "getAnnouncementHistory", "Who changed an announcement, and how", 404),
)
async def announcement_history(
    call: ThisCall, announcement_id: FromPath[str], limit: Limit = 50
) -> History[AnnouncementState]:
    return await ANNOUNCEMENTS.history(call, announcement_id, limit)


ROUTES: Sequence[BaseRouteHandler] = (
    ANNOUNCEMENTS.restoring("/announcements", "Announcement"),
    create_announcement,
    list_announcements,
    notices,
    read_announcement,
    change_announcement,
    archive_announcement,
    announcement_history,
)
