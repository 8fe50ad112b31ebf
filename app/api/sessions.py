"""Sessions and personal access tokens: rows known by the SHA-256 of a secret that only its bearer has."""

import datetime as dt
import hashlib
import hmac
import ipaddress
import secrets
from typing import TYPE_CHECKING, Final

import msgspec

from app.api.permissions import Scope
from domain.ids import EntityId

if TYPE_CHECKING:
    import asyncpg

PERSONAL_TOKEN_PREFIX: Final = "tgp_"  # noqa: S105 -- what every personal access token begins with
IDLE: Final = dt.timedelta(hours=2)
"""A session that nobody uses for so long is over."""
ABSOLUTE: Final = dt.timedelta(hours=24)
"""No session lasts longer, however much it is used."""
_DEVICES_MAX: Final = 50
_TOUCH: Final = dt.timedelta(minutes=1)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A person's open session."""

    session_hash: str
    session_id: str
    user_id: EntityId
    csrf_hash: str
    expires_at: dt.datetime
    confirmed_at: dt.datetime
    """When the password was last asked for."""

    def csrf_matches(self, token: str) -> bool:
        """Say whether a CSRF token is this session's, in constant time."""
        return hmac.compare_digest(self.csrf_hash, sha256(token))


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An open session as its owner sees it."""

    session_id: str
    created_at: dt.datetime
    seen_at: dt.datetime
    expires_at: dt.datetime
    user_agent: str
    address: str


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A new session with its secrets, which are never known again."""

    secret: str
    csrf_token: str
    session_hash: str
    expires_at: dt.datetime


class PersonalToken(msgspec.Struct, frozen=True, kw_only=True):
    """A person's key for the REST API."""

    personal_token_id: EntityId
    user_id: EntityId
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    networks: tuple[str, ...]
    """CIDR blocks that it may be used from; none is everywhere."""
    created_at: dt.datetime
    seen_at: dt.datetime | None
    expires_at: dt.datetime | None


def sha256(secret: str) -> str:
    """Give what a secret is stored and found by; its 256 random bits need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Sessions:
    """The tables admin.session and admin.personal_token."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Take connections to the database."""
        self._pool = pool

    async def open(self, user_id: EntityId, *, now: dt.datetime, user_agent: str, address: str) -> OpenedSession:
        """Open a session."""
        opened = OpenedSession(
            secret=(secret := secrets.token_urlsafe(32)),
            csrf_token=secrets.token_urlsafe(32),
            session_hash=sha256(secret),
            expires_at=now + ABSOLUTE,
        )
        await self._pool.execute(
            "INSERT INTO admin.session (session_hash, user_id, csrf_hash, created_at, seen_at, confirmed_at,"
            " expires_at, user_agent, address) VALUES ($1, $2, $3, $4, $4, $4, $5, $6, $7)",
            opened.session_hash,
            user_id,
            sha256(opened.csrf_token),
            now,
            opened.expires_at,
            user_agent[:400],
            address,
        )
        return opened

    async def find(self, secret: str, *, now: dt.datetime) -> Session | None:
        """Give the session of a cookie unless it is over, and note that it is in use."""
        row = await self._pool.fetchrow(
            "SELECT session_hash, session_id::text, user_id::text, csrf_hash, seen_at, expires_at, confirmed_at"
            " FROM admin.session"
            " WHERE session_hash = $1 AND expires_at > $2 AND seen_at > $3",
            sha256(secret),
            now,
            now - IDLE,
        )
        if row is None:
            return None
        if row["seen_at"] < now - _TOUCH:
            await self._pool.execute(
                "UPDATE admin.session SET seen_at = $2 WHERE session_hash = $1 AND seen_at < $2",
                row["session_hash"],
                now,
            )
        return Session(
            session_hash=row["session_hash"],
            session_id=row["session_id"],
            user_id=EntityId(row["user_id"]),
            csrf_hash=row["csrf_hash"],
            expires_at=row["expires_at"],
            confirmed_at=row["confirmed_at"],
        )

    async def close(self, session_hash: str) -> None:
        """End a session."""
        await self._pool.execute("DELETE FROM admin.session WHERE session_hash = $1", session_hash)

    async def confirm(self, session_hash: str, now: dt.datetime) -> None:
        """Note that the password was given again."""
        await self._pool.execute(
            "UPDATE admin.session SET confirmed_at = $2 WHERE session_hash = $1 AND confirmed_at < $2",
            session_hash,
            now,
        )

    async def of_user(self, user_id: EntityId, *, now: dt.datetime) -> tuple[SessionRecord, ...]:
        """Give a person's open sessions, the last used first."""
        rows = await self._pool.fetch(
            "SELECT session_id::text, created_at, seen_at, expires_at, user_agent, address FROM admin.session"
            " WHERE user_id = $1 AND expires_at > $2 AND seen_at > $3 ORDER BY seen_at DESC, session_id LIMIT 500",
            user_id,
            now,
            now - IDLE,
        )
        return tuple(SessionRecord(**row) for row in rows)

    async def end(self, user_id: EntityId, session_id: str) -> bool:
        """End one of a person's sessions; say whether there was one."""
        done = await self._pool.execute(
            "DELETE FROM admin.session WHERE user_id = $1 AND session_id::text = $2", user_id, session_id
        )
        return bool(int(done.split()[-1]))

    async def remember_device(self, user_id: EntityId, present: str | None, now: dt.datetime) -> str:
        """Note that a browser knew a person's password; give what it shall be known by from now on."""
        secret = present if present is not None and await self.knows_device(user_id, present) else ""
        secret = secret or secrets.token_urlsafe(32)
        await self._pool.execute(
            "INSERT INTO admin.device (device_hash, user_id, seen_at) VALUES ($1, $2, $3)"
            " ON CONFLICT (device_hash) DO UPDATE SET seen_at = excluded.seen_at",
            sha256(secret),
            user_id,
            now,
        )
        await self._pool.execute(
            "DELETE FROM admin.device WHERE user_id = $1 AND device_hash IN ("
            "SELECT device_hash FROM admin.device WHERE user_id = $1 ORDER BY seen_at DESC OFFSET $2)",
            user_id,
            _DEVICES_MAX,
        )
        return secret

    async def knows_device(self, user_id: EntityId, secret: str) -> bool:
        """Say whether this browser has logged in as this person before."""
        return bool(
            await self._pool.fetchval(
                "SELECT true FROM admin.device WHERE device_hash = $1 AND user_id = $2", sha256(secret), user_id
            )
        )

    async def drop_expired(self, now: dt.datetime) -> int:
        """Forget sessions that are over; give how many. For the housekeeper."""
        done = await self._pool.execute(
            "DELETE FROM admin.session WHERE expires_at <= $1 OR seen_at <= $2", now, now - IDLE
        )
        return int(done.split()[-1])

    async def create_token(
        self,
        user_id: EntityId,
        personal_token_id: EntityId,
        *,
        name: str,
        scopes: tuple[Scope, ...],
        networks: tuple[str, ...] = (),
        expires_at: dt.datetime | None,
        now: dt.datetime,
    ) -> tuple[PersonalToken, str]:
        """Make a personal access token; give it and its secret."""
        secret = PERSONAL_TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = PersonalToken(
            personal_token_id=personal_token_id,
            user_id=user_id,
            name=name,
            hint=f"{secret[:8]}...{secret[-4:]}",
            scopes=scopes,
            networks=networks,
            created_at=now,
            seen_at=None,
            expires_at=expires_at,
        )
        await self._pool.execute(
            "INSERT INTO admin.personal_token (token_hash, personal_token_id, user_id, name, hint, scopes, networks,"
            " created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            sha256(secret),
            personal_token_id,
            user_id,
            name,
            token.hint,
            list(scopes),
            list(networks),
            now,
            expires_at,
        )
        return token, secret

    async def find_token(self, secret: str, *, now: dt.datetime, address: str) -> PersonalToken | None:
        """Give the token of a secret unless it has expired or is not for this address, and note that it is in use."""
        hashed = sha256(secret)
        row = await self._pool.fetchrow(
            f"SELECT {_COLUMNS} FROM admin.personal_token"  # noqa: S608 -- a constant
            " WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)",
            hashed,
            now,
        )
        if row is None or not _is_inside(address, row["networks"]):
            return None
        if row["seen_at"] is None or row["seen_at"] < now - _TOUCH:
            await self._pool.execute("UPDATE admin.personal_token SET seen_at = $2 WHERE token_hash = $1", hashed, now)
        return _token(row)

    async def tokens(self, user_id: EntityId) -> tuple[PersonalToken, ...]:
        """Give a person's tokens, the newest first."""
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM admin.personal_token WHERE user_id = $1"  # noqa: S608 -- a constant
            " ORDER BY personal_token_id DESC LIMIT 500",
            user_id,
        )
        return tuple(_token(row) for row in rows)

    async def drop_token(self, user_id: EntityId, personal_token_id: str) -> bool:
        """End one of a person's tokens; say whether there was one."""
        done = await self._pool.execute(
            "DELETE FROM admin.personal_token WHERE user_id = $1 AND personal_token_id::text = $2",
            user_id,
            personal_token_id,
        )
        return bool(int(done.split()[-1]))


_COLUMNS: Final = (
    "personal_token_id::text, user_id::text, name, hint, scopes, networks, created_at, seen_at, expires_at"
)


def _is_inside(address: str, networks: list[str]) -> bool:
    if not networks:
        return True
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(network) for network in networks)


def _token(row: "asyncpg.Record") -> PersonalToken:
    return PersonalToken(
        personal_token_id=EntityId(row["personal_token_id"]),
        user_id=EntityId(row["user_id"]),
        name=row["name"],
        hint=row["hint"],
        scopes=tuple(row["scopes"]),
        networks=tuple(row["networks"]),
        created_at=row["created_at"],
        seen_at=row["seen_at"],
        expires_at=row["expires_at"],
    )
