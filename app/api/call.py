"""What every route of a resource does alike: find, check whose it is, do it, answer with its version."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter, SkipValidation

from adapters.postgres.admin_store import Stored
from app.administration import BulkStep
from app.api.guards import ACCESS, Access, Api
from app.api.listing import After, IncludeArchived, Limit, ListQuery, Search, ThisListing
from app.api.permissions import Permission, Principal
from app.api.problems import MEDIA_TYPE, ApiError, Problem
from app.api.schemas.changes import given
from app.api.schemas.common import History, HistoryItem, Listing, Reasoned, Versioned, history_item, meta
from domain.ids import EntityId, TenantId
from domain.metering.usage import COUNT_MAX

S = TypeVar("S")
V = TypeVar("V", bound=Versioned)

IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="The ETag of the version that the change was made from."),
]
Why = Annotated[str, QueryParameter(name="reason", max_length=1000, description="Kept in the history.")]
TenantNumber = Annotated[int | None, QueryParameter(name="tenant_id", ge=1, le=2**53 - 1)]

NO_STORE: Final = {"cache-control": "no-store"}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request that has passed the door."""

    api: Api
    principal: Principal
    correlation_id: str
    look: str | None = None
    """The operation, if it only looks at things; None for what changes them, which leaves events of its own."""

    async def looked_at(self, tenant_id: TenantId) -> None:
        """Record a look of the operator at a tenant's data that no parameter names the tenant of."""
        if self.look is not None:
            await self.api.looks.note(self.principal, tenant_id, self.look)

    def require(self, permission: Permission, tenant_id: TenantId) -> None:
        """Raise `not_found` for a tenant that is not this person's, `forbidden` for what they may not do there."""
        if not self.principal.sees(tenant_id):
            raise ApiError("not_found")
        if not self.principal.may(permission, tenant_id):
            raise ApiError("forbidden")


ThisCall = NamedDependency[SkipValidation[Call]]
"""How a route asks for its call."""
ThisApi = NamedDependency[SkipValidation[Api]]


def route(
    permission: Permission | None,
    operation_id: str,
    summary: str,
    *statuses: int,
    within: str = "platform",
    session_only: bool = False,
    before_password_change: bool = False,
    secrets: bool = False,
) -> dict[str, Any]:
    """Give what every route declares: who may pass, its name, and the errors that it answers with.

    `secrets`: it gives out or takes in a secret, see `Access`.
    """
    access = Access(
        permission=permission,
        within=within,
        session_only=session_only,
        before_password_change=before_password_change,
        secrets=secrets,
    )
    expected = {400, 413, 415, 429, 500, 503, *statuses} | ({401, 403} if permission is not None else set())
    return {
        "operation_id": operation_id,
        "summary": summary,
        "opt": {ACCESS: access},
        "responses": {
            status: ResponseSpec(Problem, media_type=MEDIA_TYPE, generate_examples=False, description="A problem.")
            for status in sorted(expected)
        },
    }


def provide_call(api: Api) -> Callable[[Request[Any, Any, Any]], Call]:
    """Give the dependency `call` of the routes that only known persons reach."""

    def call(request: Request[Any, Any, Any]) -> Call:
        look = getattr(request.route_handler, "operation_id", None) if request.method == "GET" else None
        return Call(api=api, principal=request.scope["user"], correlation_id=api.ids(), look=look)

    return call


def version_of(if_match: str | None) -> int:
    """Give the version that an If-Match names; raises `version_required`, or `version_conflict` for no version."""
    if if_match is None:
        raise ApiError("version_required")
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or int(text) > COUNT_MAX:
        raise ApiError("version_conflict", 'If-Match names no version: send the ETag as it was given, such as "3".')
    return int(text)


def versioned(view: V, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[V]:
    """Give an answer with its ETag."""
    return Response(view, status_code=status, headers={"etag": f'"{view.version}"', **NO_STORE, **(headers or {})})


class Resource(Generic[S, V]):
    """The life of one kind of thing, over `app.administration`."""

    def __init__(
        self, kind: str, *, state: Callable[[Any], S], view: type[V], read: Permission, write: Permission
    ) -> None:
        """Take how it is shown, and who may read and write it."""
        self._kind = kind
        self._state = state
        self._view = view
        self._read = read
        self._write = write

    def view(self, stored: Stored) -> V:
        """Give a thing as the API shows it."""
        return _join(self._view, self._state(stored.entity), meta(stored))

    async def find(self, call: Call, entity_id: str, permission: Permission | None = None) -> Stored:
        """Give a thing that this person may touch so; to others it does not exist."""
        stored = await call.api.administration.get(self._kind, entity_id)
        call.require(permission or self._read, stored.tenant_id)
        if self._kind != "tenant":
            await call.looked_at(stored.tenant_id)
        return stored

    async def list(
        self, call: Call, listing: ListQuery, *, filters: Mapping[str, Any] | None = None, **narrowed: Any
    ) -> Listing[V]:
        """Give a part of the list; a filter of None narrows nothing."""
        page = await call.api.administration.list(
            self._kind,
            after=listing.after,
            limit=listing.limit,
            search=listing.search,
            archived=None if listing.include_archived else False,
            sort=listing.sort,
            filters=filters,
            **narrowed,
        )
        return Listing(items=tuple(self.view(stored) for stored in page.items), next=page.next)

    async def read(self, call: Call, entity_id: str) -> Response[V]:
        """Give a thing with its ETag."""
        return versioned(self.view(await self.find(call, entity_id)))

    async def create(self, call: Call, entity: Any, reason: str, **options: Any) -> Stored:
        """Make a thing."""
        return await call.api.administration.create(
            self._kind,
            entity,
            actor=call.principal.actor,
            reason=reason,
            correlation_id=call.correlation_id,
            **options,
        )

    async def created(self, call: Call, entity: Any, reason: str, **options: Any) -> Response[V]:
        """Make a thing, and answer with it."""
        return versioned(self.view(await self.create(call, entity, reason, **options)), 201)

    async def change(
        self,
        call: Call,
        entity_id: str,
        if_match: str | None,
        body: Any,
        *,
        transform: Callable[[Any], Any] | None = None,
        permission: Permission | None = None,
        **options: Any,
    ) -> Response[V]:
        """Change what the body names, or as `transform` says, from the version that the client has seen."""
        return versioned(
            await self.changed(call, entity_id, if_match, body, transform=transform, permission=permission, **options)
        )

    async def changed(
        self,
        call: Call,
        entity_id: str,
        if_match: str | None,
        body: Any,
        *,
        transform: Callable[[Any], Any] | None = None,
        permission: Permission | None = None,
        **options: Any,
    ) -> V:
        """Change a thing like `change`, and give it without an answer around it."""
        version = version_of(if_match)
        found = await self.find(call, entity_id, permission or self._write)
        values = {} if transform is not None else given(body)
        stored = await call.api.administration.change(
            self._kind,
            entity_id,
            version,
            transform or (lambda entity: msgspec.structs.replace(entity, **values)),
            actor=call.principal.actor,
            reason=body.reason,
            correlation_id=call.correlation_id,
            tenant_id=found.tenant_id,
            **options,
        )
        return self.view(stored)

    async def bulk(self, call: Call, steps: Sequence[BulkStep], reason: str) -> Sequence[Stored]:
        """Make and change several things, all or none; whoever calls has checked whose they are."""
        return await call.api.administration.bulk(
            self._kind, steps, actor=call.principal.actor, reason=reason, correlation_id=call.correlation_id
        )

    async def change_many(
        self, call: Call, items: Sequence[Any], reason: str, permissions: Sequence[Permission]
    ) -> tuple[V, ...]:
        """Change several things, each as its body says, from the version that it names."""
        for item, permission in zip(items, permissions, strict=True):
            await self.find(call, item.id, permission)
        steps = [
            BulkStep(entity_id=item.id, version=item.version, transform=_replacing(given(item.change)))
            for item in items
        ]
        return tuple(self.view(stored) for stored in await self.bulk(call, steps, reason))

    async def archive(
        self,
        call: Call,
        entity_id: str,
        if_match: str | None,
        reason: str,
        *,
        permission: Permission | None = None,
    ) -> Response[V]:
        """Take a thing out of use for good."""
        version = version_of(if_match)
        found = await self.find(call, entity_id, permission or self._write)
        stored = await call.api.administration.archive(
            self._kind,
            entity_id,
            version,
            actor=call.principal.actor,
            reason=reason,
            correlation_id=call.correlation_id,
            tenant_id=found.tenant_id,
        )
        return versioned(self.view(stored))

    def restoring(
        self,
        path: str,
        noun: str,
        *,
        permission: Permission | None = None,
        allow: Callable[[Call, Any], None] | None = None,
    ) -> HTTPRouteHandler:
        """Give the route that puts an archived thing into use again.

        `noun` names it in the document, such as Tenant; `allow` raises where this person may not touch this one.
        """
        needed = permission or self._write

        async def restore(
            call: ThisCall, entity_id: FromPath[str], data: JSONBody[Reasoned], if_match: IfMatch = None
        ) -> Response[Any]:
            version = version_of(if_match)
            found = await self.find(call, entity_id, needed)
            if allow is not None:
                allow(call, found.entity)
            stored = await call.api.administration.restore(
                self._kind,
                entity_id,
                version,
                actor=call.principal.actor,
                reason=data.reason,
                correlation_id=call.correlation_id,
                tenant_id=found.tenant_id,
            )
            return versioned(self.view(stored))

        # The document tells what this one answers with, where mypy can know only that it is a view.
        view: Any = self._view
        restore.__annotations__["return"] = Response[view]
        summary = f"Put an archived {noun.lower()} into use again"
        declared = route(needed, f"restore{noun.title().replace(' ', '')}", summary, 404, 409, 412, 422, 428)
        return post(f"{path}/{{entity_id:str}}/restore", status_code=200, **declared)(restore)

    async def history(self, call: Call, entity_id: str, limit: int, permission: Permission | None = None) -> History[S]:
        """Give the changes of a thing, the latest first."""
        found = await self.find(call, entity_id, permission)
        entries = await call.api.administration.history(self._kind, entity_id, tenant_id=found.tenant_id, limit=limit)
        items: tuple[HistoryItem[S], ...] = tuple(history_item(entry, self._state) for entry in entries)
        return History(items=items)


def _replacing(values: Mapping[str, Any]) -> Callable[[Any], Any]:
    return lambda entity: msgspec.structs.replace(entity, **values)


def _join(type_: type[V], state: Any, more: Mapping[str, Any]) -> V:
    fields = {name: getattr(state, name) for name in state.__struct_fields__}
    return type_(**fields, **more)


def join(type_: type[V], view: Any, **more: Any) -> V:
    """Give a view with more fields, such as a secret that is shown once."""
    return _join(type_, view, more)


__all__ = [
    "After",
    "Call",
    "EntityId",
    "IfMatch",
    "IncludeArchived",
    "Limit",
    "Resource",
    "Search",
    "ThisListing",
    "Why",
    "route",
]
