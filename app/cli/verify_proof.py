"""`tallygate verify-proof`: check the proof of one event, with nothing but its file."""

from pathlib import Path

import click
import msgspec

from adapters.seal_keys import SealKeyError, from_pem
from app.cli.refusals import StartError
from domain.proof.proofs import PROOF_BYTES_MAX, InvalidProofError, Verified, check


@click.command("verify-proof", short_help="Check the proof of an event, offline.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--public-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The public keys that you trust, in PEM, as `tallygate seal-key` prints them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, file: Path, public_key: Path | None, as_json: bool) -> None:
    """Check a proof that GET /api/events/{id}/proof gave. It needs no server, no database and no network.

    Exit status 0 if the event is in the sealed log as the file shows it, 1 if the file proves nothing, 2 if it cannot
    be read. Without --public-key the file only vouches for itself: compare the key that is printed with yours.
    """
    content = _read(file)
    try:
        keys = from_pem(_read(public_key).decode("utf-8", "replace")) if public_key is not None else None
    except SealKeyError as error:
        raise StartError(f"{public_key}: {error}") from error
    try:
        verified = check(content, keys)
    except InvalidProofError as error:
        if as_json:
            click.echo(msgspec.json.encode({"valid": False, "reason": str(error)}).decode())
        else:
            click.echo(f"{file} proves nothing: {error}", err=True)
        raise SystemExit(1) from error
    if as_json:
        click.echo(msgspec.json.encode({"valid": True} | msgspec.structs.asdict(verified)).decode())
    else:
        _print(verified)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(PROOF_BYTES_MAX + 1)
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}") from error


def _print(verified: Verified) -> None:
    event = verified.event
    click.echo(
        f"event {event.event_id} ({event.type}) is at position {event.position} of lane {event.lane} of tenant"
        f" {event.tenant_id}, recorded {event.recorded_at:%Y-%m-%d %H:%M:%S.%f} UTC, unchanged since it was sealed"
    )
    click.echo(f"seal {verified.seal_number} of {verified.sealed_at:%Y-%m-%d %H:%M:%S} UTC: {verified.seal_hash}")
    trust = "which you trust" if verified.trusted else "from the file itself: compare it with the one you know"
    click.echo(f"signed with the key {verified.key_id}, {trust}")
    click.echo(event.data)
