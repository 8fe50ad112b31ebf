"""Links that are good for one thing, once (to join, to sign up, to set a new password), and mails to be sent."""

import datetime as dt
import hashlib
import secrets
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from adapters.postgres.row_security import owner_of
from domain.admin.entities import TenantRole
from domain.ids import EntityId, TenantId

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

LinkKind = Literal["invitation", "password_reset", "sign_up"]

LASTS: Final[dict[LinkKind, dt.timedelta]] = {
    "invitation": dt.timedelta(days=7),
    "password_reset": dt.timedelta(hours=1),
    "sign_up": dt.timedelta(days=1),
}


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What a link is good for."""

    link_id: EntityId
    kind: LinkKind
    login: str
    """Whose it is: an e-mail address, or what else the person logs in with."""
    tenant_id: TenantId | None
    """Invitations: where to."""
    role: TenantRole | None
    made_by: str
    """An actor."""
    created_at: dt.datetime
    expires_at: dt.datetime


class QueuedMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that has to be sent."""

    mail_id: EntityId
    kind: LinkKind
    recipient: str
    tenant_id: TenantId | None
    role: TenantRole | None
    made_by: str
    attempts: int


_LINK: Final = "link_id::text, kind, login, tenant_id, role, made_by, created_at, expires_at"


class Links:
    """The tables admin.link and admin.mail."""

    def __init__(self, pool: "Pool") -> None:
        """Take a pool; one of `row_security` confines what is read of tenants' invitations."""
        self._pool = owner_of(pool)
        self._confined = pool

    async def make(
        self,
        link_id: EntityId,
        kind: LinkKind,
        login: str,
        *,
        made_by: str,
        now: dt.datetime,
        tenant_id: TenantId | None = None,
        role: TenantRole | None = None,
    ) -> str:
        """Make a link and give its secret, which is never known again; the same id anew has a new secret."""
        secret = secrets.token_urlsafe(32)
        await self._pool.execute(
            "INSERT INTO admin.link (link_id, secret_hash, kind, login, tenant_id, role, made_by, created_at,"
            " expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            " ON CONFLICT (link_id) DO UPDATE SET secret_hash = $2, expires_at = $9 WHERE link.used_at IS NULL",
            link_id,
            _hash(secret),
            kind,
            login,
            tenant_id,
            role,
            made_by,
            now,
            now + LASTS[kind],
        )
        return secret

    async def find(self, secret: str, *, now: dt.datetime) -> Link | None:
        """Give what a link is good for, unless it was used or its time is over."""
        row = await self._pool.fetchrow(
            f"SELECT {_LINK} FROM admin.link WHERE secret_hash = $1 AND used_at IS NULL AND expires_at > $2",  # noqa: S608 -- a constant
            _hash(secret),
            now,
        )
        return msgspec.convert(dict(row), Link) if row is not None else None

    async def is_open(self, link_id: str) -> bool:
        """Say whether a link is there and was not used."""
        return bool(
            await self._pool.fetchval("SELECT true FROM admin.link WHERE link_id = $1 AND used_at IS NULL", link_id)
        )

    async def use(self, link: Link, *, now: dt.datetime) -> bool:
        """Use a link; only one of several at once can."""
        done = await self._pool.execute(
            "UPDATE admin.link SET used_at = $2 WHERE link_id = $1 AND used_at IS NULL AND expires_at > $2",
            link.link_id,
            now,
        )
        return done.endswith(" 1")

    async def give_back(self, link: Link) -> None:
        """Make a link good again whose use did not come to anything."""
        await self._pool.execute("UPDATE admin.link SET used_at = NULL WHERE link_id = $1", link.link_id)

    async def invitations(self, tenant_id: TenantId, *, now: dt.datetime) -> tuple[Link, ...]:
        """Give the open invitations of a tenant, the latest first."""
        rows = await self._confined.fetch(
            f"SELECT {_LINK} FROM admin.link WHERE tenant_id = $1 AND used_at IS NULL AND expires_at > $2"  # noqa: S608 -- a constant
            " ORDER BY created_at DESC, link_id LIMIT 500",
            tenant_id,
            now,
        )
        return tuple(msgspec.convert(dict(row), Link) for row in rows)

    async def withdraw(self, tenant_id: TenantId, link_id: str) -> bool:
        """End an open invitation of a tenant; say whether there was one."""
        done = await self._pool.execute(
            "DELETE FROM admin.link WHERE tenant_id = $1 AND link_id::text = $2 AND used_at IS NULL",
            tenant_id,
            link_id,
        )
        return done.endswith(" 1")

    # Mails.

    async def queue(
        self,
        mail_id: EntityId,
        kind: LinkKind,
        recipient: str,
        *,
        made_by: str,
        now: dt.datetime,
        tenant_id: TenantId | None = None,
        role: TenantRole | None = None,
    ) -> None:
        """Have a mail sent, now or as soon as the mail server is there."""
        await self._pool.execute(
            "INSERT INTO admin.mail (mail_id, kind, recipient, for_tenant, role, made_by, created_at, next_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
            mail_id,
            kind,
            recipient,
            tenant_id,
            role,
            made_by,
            now,
        )

    async def take(self, *, now: dt.datetime, retry_at: dt.datetime, attempts_max: int) -> QueuedMail | None:
        """Take a mail that is due. Whoever dies with it leaves it to be taken again at `retry_at`."""
        row = await self._pool.fetchrow(
            "UPDATE admin.mail SET attempts = attempts + 1, next_at = $2 WHERE mail_id = ("
            "SELECT mail_id FROM admin.mail WHERE done_at IS NULL AND next_at <= $1 AND attempts < $3"
            " ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
            " RETURNING mail_id::text, kind, recipient, for_tenant AS tenant_id, role, made_by, attempts",
            now,
            retry_at,
            attempts_max,
        )
        return msgspec.convert(dict(row), QueuedMail) if row is not None else None

    async def postpone(self, mail: QueuedMail, until: dt.datetime) -> None:
        """Try a mail again later."""
        await self._pool.execute("UPDATE admin.mail SET next_at = $2 WHERE mail_id = $1", mail.mail_id, until)

    async def finish(self, mail: QueuedMail, now: dt.datetime) -> None:
        """Say that a mail was taken by the mail server, or is not to be sent."""
        await self._pool.execute("UPDATE admin.mail SET done_at = $2 WHERE mail_id = $1", mail.mail_id, now)

    async def drop_old(self, before: dt.datetime) -> None:
        """Forget links and mails that are long over."""
        await self._pool.execute("DELETE FROM admin.link WHERE expires_at < $1", before)
        await self._pool.execute("DELETE FROM admin.mail WHERE created_at < $1", before)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
