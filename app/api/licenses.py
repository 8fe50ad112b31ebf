"""/api/system/licenses: what Tallygate is made of."""

import asyncio
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from typing import Any, Literal

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler

from app.api.call import route
from app.api.permissions import Permission
from app.web.build import DIST


class LicenseView(msgspec.Struct, frozen=True, kw_only=True):
    """A package that Tallygate is made of."""

    name: str
    version: str
    license: str
    """As the package says; empty if it does not."""
    url: str
    part: Literal["server", "console"]
    """What of it: what runs here, or what browsers load."""


class _ConsoleBuild(msgspec.Struct, frozen=True):
    licenses: tuple[dict[str, str], ...] = ()


class Licenses(msgspec.Struct, frozen=True, kw_only=True):
    """Every package that is installed here or was built into the console, by name."""

    items: tuple[LicenseView, ...]


@get("/system/licenses", **route(Permission.SELF, "listLicenses", "What Tallygate is made of, with licenses"))
async def licenses() -> Licenses:
    return await asyncio.to_thread(installed)


@cache
def installed() -> Licenses:
    """Give the packages of this environment, read once: that takes a few tenths of a second."""
    found = {}
    for distribution in metadata.distributions():
        about = distribution.metadata
        name = about["Name"]
        if name:
            found[name.lower()] = LicenseView(
                name=name, version=distribution.version, license=_license(about), url=_url(about), part="server"
            )
    return Licenses(items=(*(found[name] for name in sorted(found)), *_of_console()))


def _of_console() -> tuple[LicenseView, ...]:
    """Give the packages of the console, as the record of its build has them; none where it was not built."""
    record = DIST / "build.json"
    if not record.is_file():
        return ()
    build = msgspec.json.decode(record.read_bytes(), type=_ConsoleBuild)
    return tuple(
        LicenseView(
            name=each["name"], version=each["version"], license=each["license"], url=each["url"], part="console"
        )
        for each in build.licenses
    )


def _license(about: Any) -> str:
    named = about.get("License-Expression") or about.get("License") or ""
    if named and "\n" not in named and len(named) <= 100:  # noqa: PLR2004 -- longer is the license's whole text
        return str(named)
    classified = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if "License" in each]
    return ", ".join(classified)


def _url(about: Any) -> str:
    if about.get("Home-page"):
        return str(about["Home-page"])
    urls = [each.partition(",")[2].strip() for each in about.get_all("Project-URL") or ()]
    return urls[0] if urls else ""


ROUTES: Sequence[BaseRouteHandler] = (licenses,)
