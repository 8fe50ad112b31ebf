"""One's own open sessions, and one's own keys for this API."""

import ipaddress
from collections.abc import Sequence
from typing import Any

from litestar import Response, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from app.api.call import NO_STORE, ThisCall, route
from app.api.permissions import ALL_SCOPES, Permission
from app.api.problems import ApiError
from app.api.schemas.common import Listing
from app.api.schemas.sessions import CreatedPersonalToken, NewPersonalToken, OpenSession, PersonalTokenView
from app.api.sessions import PersonalToken, SessionRecord
from domain.admin.errors import InvalidEntityError
from domain.admin.events import PersonalTokenCreated, PersonalTokenEnded
from domain.ids import EntityId


@get("/sessions", **route(Permission.SELF, "listSessions", "List one's open sessions"))
async def list_sessions(call: ThisCall) -> Listing[OpenSession]:
    found = await call.api.sessions.of_user(call.principal.user.user_id, now=call.api.clock())
    return Listing(items=tuple(open_session(each, call.principal.session_id) for each in found), next=None)


def open_session(session: SessionRecord, current: str | None) -> OpenSession:
    """Give a session as the API shows it; `current`: the one that asks."""
    return OpenSession(
        id=session.session_id,
        current=session.session_id == current,
        created_at=session.created_at,
        seen_at=session.seen_at,
        expires_at=session.expires_at,
        user_agent=session.user_agent,
        address=session.address,
    )


@delete(
    "/sessions/{session_id:str}",
    status_code=204,
    **route(Permission.SELF, "endSession", "End one of one's sessions", 404, session_only=True),
)
async def end_session(call: ThisCall, session_id: FromPath[str]) -> None:
    if not await call.api.sessions.end(call.principal.user.user_id, session_id):
        raise ApiError("not_found")


@delete(
    "/sessions",
    status_code=204,
    **route(Permission.SELF, "endOtherSessions", "End all of one's sessions but this one", session_only=True),
)
async def end_other_sessions(call: ThisCall) -> None:
    store = call.api.administration.store
    await store.end_sessions(call.principal.user.user_id, keep=call.principal.session_hash)


@post(
    "/personal-tokens",
    **route(
        Permission.SELF,
        "createPersonalToken",
        "Make a key for this API; it is shown once",
        422,
        session_only=True,
        secrets=True,
    ),
)
async def create_personal_token(call: ThisCall, data: JSONBody[NewPersonalToken]) -> Response[CreatedPersonalToken]:
    now = call.api.clock()
    if data.expires_at is not None and (data.expires_at.utcoffset() is None or data.expires_at <= now):
        raise ApiError("expiry_in_past", "The expiry must lie in the future, and have a time zone.")
    user_id = call.principal.user.user_id
    scopes = tuple(sorted(ALL_SCOPES & set(data.scopes)))
    token_id = EntityId(call.api.ids())
    networks = tuple(map(_network, data.networks))
    await call.api.administration.note(
        PersonalTokenCreated(
            personal_token_id=token_id,
            user_id=user_id,
            name=data.name,
            scopes=scopes,
            networks=networks,
            expires_at=data.expires_at.isoformat() if data.expires_at is not None else None,
        ),
        actor=call.principal.actor,
        correlation_id=call.correlation_id,
    )
    token, secret = await call.api.sessions.create_token(
        user_id,
        token_id,
        name=data.name,
        scopes=scopes,
        networks=networks,
        expires_at=data.expires_at,
        now=now,
    )
    view = CreatedPersonalToken(**_fields(token), secret=secret)
    return Response(view, status_code=201, headers=dict(NO_STORE))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        raise InvalidEntityError("networks", f"{text!r} is not a network such as '192.0.2.0/24'.") from None


@get("/personal-tokens", **route(Permission.SELF, "listPersonalTokens", "List one's keys for this API"))
async def list_personal_tokens(call: ThisCall) -> Listing[PersonalTokenView]:
    tokens = await call.api.sessions.tokens(call.principal.user.user_id)
    return Listing(items=tuple(PersonalTokenView(**_fields(token)) for token in tokens), next=None)


@delete(
    "/personal-tokens/{personal_token_id:str}",
    status_code=204,
    **route(
        Permission.SELF,
        "deletePersonalToken",
        "End one of one's keys for this API, on every node at once",
        404,
        session_only=True,
    ),
)
async def delete_personal_token(call: ThisCall, personal_token_id: FromPath[str]) -> None:
    user_id = call.principal.user.user_id
    if not await call.api.sessions.drop_token(user_id, personal_token_id):
        raise ApiError("not_found")
    await call.api.administration.note(
        PersonalTokenEnded(personal_token_id=EntityId(personal_token_id), user_id=user_id),
        actor=call.principal.actor,
        correlation_id=call.correlation_id,
    )


def _fields(token: PersonalToken) -> dict[str, Any]:
    return {
        "id": token.personal_token_id,
        "name": token.name,
        "hint": token.hint,
        "scopes": token.scopes,
        "networks": token.networks,
        "created_at": token.created_at,
        "seen_at": token.seen_at,
        "expires_at": token.expires_at,
    }


ROUTES: Sequence[BaseRouteHandler] = (
    list_sessions,
    end_session,
    end_other_sessions,
    create_personal_token,
    list_personal_tokens,
    delete_personal_token,
)
