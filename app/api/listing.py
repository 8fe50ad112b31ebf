"""What every list takes alike: how far it has come, how much to give, what to look for, and in which order."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

After = Annotated[str | None, QueryParameter(name="after", max_length=2000, description="`next` of the part before.")]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=500, description="How many to give.")]
Search = Annotated[str, QueryParameter(name="search", max_length=200, description="Part of the name.")]
IncludeArchived = Annotated[
    bool, QueryParameter(name="include_archived", description="Also give what is out of use for good.")
]
Sort = Annotated[
    Literal["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"],
    QueryParameter(name="sort", description="The order; `-` before it is descending. `after` goes with one order."),
]
Label = Annotated[str | None, QueryParameter(max_length=200)]
"""A filter by a text; left out, it narrows nothing."""


Since = Annotated[dt.datetime | None, QueryParameter(name="from", description="The first moment, with a time zone.")]
Until = Annotated[dt.datetime | None, QueryParameter(name="to", description="The first moment after.")]
AfterPosition = Annotated[
    str | None, QueryParameter(name="after", pattern=r"^[0-9]{1,18}$", description="`next` of the part before.")
]
"""For what is listed in the order of the log."""


def position_of(after: str | None) -> int | None:
    """Give the position in the log that a list goes on from."""
    return int(after) if after is not None else None


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for."""

    after: str | None = None
    limit: int = 50
    search: str = ""
    include_archived: bool = False
    sort: str = "-created_at"


def provide_listing(
    *,
    after: After = None,
    limit: Limit = 50,
    search: Search = "",
    include_archived: IncludeArchived = False,
    sort: Sort = "-created_at",
) -> ListQuery:
    """Give the dependency `listing` of every list of a resource."""
    return ListQuery(after=after, limit=limit, search=search, include_archived=include_archived, sort=sort)


ThisListing = NamedDependency[SkipValidation[ListQuery]]
"""How a route asks for it."""
