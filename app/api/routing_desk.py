"""Routing as the routes of the API look at it."""

from app.api.call import Call
from app.api.problems import ApiError
from app.routing.desk import Desk


def desk_of(call: Call) -> Desk:
    """Give what this process knows of routing; `unavailable` where it does none."""
    desk = call.api.routing
    if desk is None:
        raise ApiError("unavailable")
    return desk


def rounded(value: float | None) -> int | None:
    """Give a measure as the API shows it."""
    return round(value) if value is not None else None
