"""Everything that is shipped may be: no package has a license that asks more of an operator than a notice."""

import json
import re
from typing import Final

from app.api.licenses import installed
from deploy.console_build import CONSOLE, RUNTIME_LOCK

FREE: Final = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0",
        "MPL-2.0", "OFL-1.1", "PSF-2.0", "Unlicense",
    }
)  # fmt: skip
OTHER_NAMES: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
UNSAID: Final = {"python-dateutil": "Apache-2.0 OR BSD-3-Clause", "rich-click": "MIT", "tiktoken": "MIT"}
"""Licenses that are in a file of the package, and not or not by name in its metadata."""


def is_free(license_: str) -> bool:
    """Say whether each of the licenses that hold together is free; of a choice one is enough."""
    expression = OTHER_NAMES.get(license_, license_).strip("()")
    return all(any(each.strip("() ") in FREE for each in part.split(" OR ")) for part in expression.split(" AND "))


def test_a_license_is_judged_by_all_that_hold_and_by_one_of_a_choice() -> None:
    assert is_free("MIT AND (GPL-2.0-only OR Apache-2.0)")
    assert is_free("(MIT OR CC0-1.0)")
    assert not is_free("MIT AND GPL-2.0-only")
    assert not is_free("")


def test_packages_of_the_console_are_free() -> None:
    packages = json.loads((CONSOLE / "package-lock.json").read_text())["packages"]
    shipped = {name: each.get("license", "") for name, each in packages.items() if name and not each.get("dev")}

    assert len(shipped) > 20
    assert {name: license_ for name, license_ in shipped.items() if not is_free(license_)} == {}


def test_packages_of_the_server_are_free() -> None:
    locked = set(re.findall(r"^([a-z0-9_.-]+)==", RUNTIME_LOCK.read_text(), re.MULTILINE))
    here = {each.name.lower().replace("_", "-"): each.license for each in installed().items if each.part == "server"}
    shipped = {name: UNSAID.get(name) or here[name] for name in sorted(locked & here.keys())}

    # The rest is for other platforms.
    assert len(shipped) > 0.8 * len(locked)
    assert {name: license_ for name, license_ in shipped.items() if not is_free(license_)} == {}
