"""`tallygate secret-key`: show which keys vendors' credentials are encrypted under, and change to a new one."""

import asyncio
from collections import Counter
from typing import Final

import asyncpg
import click
import msgspec

from adapters.logging import configure_logging
from adapters.vault import Sealed, Vault, VaultError, forget, rotate
from app.cli.database import database
from app.cli.refusals import StartError
from app.settings import Settings

_READ: Final = (
    "SELECT channel_id::text, version, event_id::text, key_id, nonce, ciphertext FROM admin.channel_key"
    " WHERE key_id <> $1 ORDER BY channel_id, version, event_id LIMIT 500"
)
# Only as it was read: somebody may have given the channel a new key meanwhile.
_WRITE: Final = (
    "UPDATE admin.channel_key SET key_id = $4, nonce = $5, ciphertext = $6"
    " WHERE channel_id = $1::uuid AND version = $2 AND event_id = $3::uuid AND key_id = $7 AND nonce = $8"
)


class _Key(msgspec.Struct, frozen=True):
    key_id: str
    in_use: bool
    """Whether new secrets are encrypted under it."""
    secrets: int
    """How many are."""


@click.command("secret-key", short_help="Show the keys over vendors' credentials, or change the key.")
@click.option("--rotate", "is_rotated", is_flag=True, help="Put a new key in use; old ones still decrypt.")
@click.option("--reencrypt", is_flag=True, help="Encrypt everything that is under old keys under the one in use.")
@click.option(
    "--forget", "is_forgotten", is_flag=True, help="Take keys out of the file that nothing is under any more."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, is_rotated: bool, reencrypt: bool, is_forgotten: bool, as_json: bool) -> None:
    """Print the ids of the keys in the secret key file, the one in use first, and how many credentials each protects.

    To change the key: --rotate, copy the file to the other nodes, --reencrypt, then --forget and copy again. Servers
    that run notice the changed file; nothing stops. Where a key may have become known, change the vendors' credentials,
    too.
    """
    settings = Settings.load()
    configure_logging("warning")
    path = settings.secret_key_file
    if not path.exists():
        raise StartError(f"there is no secret key in {path} yet: `tallygate serve` makes it")
    try:
        vault = rotate(path) if is_rotated else Vault.read(path)
        counts = asyncio.run(_counts(settings, vault, reencrypt=reencrypt))
        if is_forgotten:
            vault = forget(path, [key_id for key_id in vault.key_ids if not counts[key_id]])
    except VaultError as error:
        raise StartError(str(error)) from error
    keys = [_Key(key_id, key_id == vault.key_id, counts[key_id]) for key_id in vault.key_ids]
    lost = {key_id: count for key_id, count in counts.items() if key_id not in vault.key_ids}
    if as_json:
        click.echo(msgspec.json.encode({"keys": keys, "lost": lost}).decode())
        return
    for key in keys:
        click.echo(f"{key.key_id}  {key.secrets} credentials{'  (in use)' if key.in_use else ''}")
    for key_id, count in lost.items():
        click.echo(f"{key_id}  {count} credentials, and the key is not in {path}: they cannot be read", err=True)


async def _counts(settings: Settings, vault: Vault, *, reencrypt: bool) -> Counter[str]:
    async with database(settings) as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            if reencrypt:
                await _reencrypt(connection, vault)
            rows = await connection.fetch("SELECT key_id, count(*) AS n FROM admin.channel_key GROUP BY key_id")
        finally:
            await connection.close()
    return Counter({row["key_id"]: row["n"] for row in rows})


async def _reencrypt(connection: "asyncpg.Connection[asyncpg.Record]", vault: Vault) -> None:
    """Encrypt anew, some at a time; what is broken off goes on at the next run. VaultError where a key is lost."""
    while rows := await connection.fetch(_READ, vault.key_id):
        for channel_id, version, event_id, key_id, nonce, ciphertext in rows:
            owner = f"channel:{channel_id}:{version}"
            sealed = vault.seal(vault.unseal(Sealed(key_id, nonce, ciphertext), owner), owner)
            await connection.execute(_WRITE, channel_id, version, event_id, *sealed, key_id, nonce)
