"""The command `tallygate`. A command is a module beside this one with a click command named `command`."""

import importlib
from typing import Any, NoReturn

import click

from app.cli.refusals import REFUSALS
from app.version import VERSION

_COMMANDS = {
    "serve": "app.cli.serve",
    "migrate": "app.cli.migrate",
    "verify": "app.cli.verify",
    "verify-proof": "app.cli.verify_proof",
    "seal-key": "app.cli.seal_key",
    "secret-key": "app.cli.secret_key",
    "rebuild": "app.cli.rebuild",
    "parked": "app.cli.parked",
    "demo-data": "app.cli.demo_data",
    "events": "app.cli.events",
    "user": "app.cli.reset_password",
    "openapi": "app.cli.openapi",
}
"""A name and its module. Only the module of the command that runs is imported, so that each starts fast."""

REFUSED = 2
"""Exit status when a command refuses to start. click uses it for wrong arguments, too."""


class _Commands(click.Group):
    """Imports a command when it is asked for, and words refusals in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(_COMMANDS[cmd_name]).command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except REFUSALS as refusal:
            refuse(refusal)


def refuse(reason: Exception) -> NoReturn:
    """Say why in one line on standard error, and end with the status for it."""
    click.echo(f"tallygate: {' '.join(str(reason).split())}", err=True)
    raise SystemExit(REFUSED)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, message="%(prog)s %(version)s")
def cli() -> None:
    """Tallygate: one OpenAI-compatible endpoint over every model vendor, with money that is exact.

    Settings come from environment variables named TALLYGATE_...; the data directory is TALLYGATE_DATA,
    ./data unless set. Start with: tallygate serve
    """
