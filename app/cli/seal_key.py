"""`tallygate seal-key`: show the public keys of the seals, and put a new one in use."""

import click
import msgspec

from adapters.seal_keys import SealKeyError, SealKeys, rotate, to_pem
from app.cli.refusals import StartError
from app.settings import Settings


@click.command("seal-key", short_help="Show the keys that sign seals, or change the key.")
@click.option("--rotate", "is_rotated", is_flag=True, help="Put a new key in use; old ones stay as public keys.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, is_rotated: bool, as_json: bool) -> None:
    """Print the public keys in PEM, the one in use first: what `verify-proof --public-key` and `verify` take.

    A server that runs takes a new key at its next seal. Copy the seal key file to the other nodes at once.
    """
    path = Settings.load().seal_key_file
    if not path.exists():
        raise StartError(f"there is no seal key in {path} yet: `tallygate serve` makes it")
    try:
        keys = rotate(path) if is_rotated else SealKeys.read(path)
    except SealKeyError as error:
        raise StartError(str(error)) from error
    if as_json:
        shown = [
            {"key_id": key_id, "in_use": key_id == keys.key_id, "public_key": to_pem(key)}
            for key_id, key in keys.public_keys.items()
        ]
        click.echo(msgspec.json.encode({"keys": shown}).decode())
        return
    for key_id, key in keys.public_keys.items():
        click.echo(f"# {key_id}{' (in use)' if key_id == keys.key_id else ''}")
        click.echo(to_pem(key), nl=False)
