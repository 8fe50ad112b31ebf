"""Hatch's build hook: a wheel and a source distribution carry the built console."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _load_builder() -> Any:
    # Hatch loads this file by its path: what lies beside it cannot simply be imported.
    spec = importlib.util.spec_from_file_location("console_build", Path(__file__).with_name("console_build.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ConsoleHook(BuildHookInterface[Any]):
    """Builds the console before the files are collected, unless it is built: then no Node is needed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Give what must be installed for the build; pip asks this first."""
        builder = _load_builder()
        return [builder.NODE] if builder.is_wanted() and not builder.is_current() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build. An editable installation is served from the checkout, where `make run` builds."""
        builder = _load_builder()
        if version == "editable" or not builder.is_wanted():
            return
        # Git ignores it, and so would Hatch; of a build that wants none, what lies there is no part.
        build_data["artifacts"].append("/app/console/dist/")
        try:
            builder.build(say=self.app.display_info)
        except builder.BuildError as error:
            sys.exit(f"{error}\n\nThe console cannot be built; {builder.SWITCH}=off makes a package without one.")
