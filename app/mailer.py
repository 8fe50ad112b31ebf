"""Sends what is queued in admin.mail: makes the link, writes the mail, hands it over, and tries until that is done.

Whether there is an account at all shows here only, never in the answer to whoever asked: that one mail was queued.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Final

import structlog

from adapters.clock import now
from adapters.smtp import Mail, MailError
from app.administration import Administration
from app.jobs import Jobs
from app.links import LASTS, LinkKind, Links, QueuedMail
from domain.admin.events import MailSent
from domain.ids import PLATFORM, EntityId, derive_id

LOOK_SECONDS: Final = 2.0
ATTEMPTS_MAX: Final = 12
"""Over fourteen hours, each twice as late as the one before, up to six hours."""
_FIRST: Final = dt.timedelta(seconds=30)
_LAST: Final = dt.timedelta(hours=6)
_TAKEN: Final = dt.timedelta(minutes=5)
_KEPT: Final = dt.timedelta(days=30)

_log = structlog.get_logger(__name__)

_TEXTS: Final[dict[LinkKind, tuple[str, str]]] = {
    "invitation": ("Invitation to {site}", "You are invited to {tenant} on {site}. To join, follow this link:"),
    "password_reset": ("Your password on {site}", "To set a new password on {site}, follow this link:"),
    "sign_up": ("Welcome to {site}", "To finish signing up to {site}, follow this link:"),
}
_HAS_ACCOUNT: Final = "Somebody asked for an account on {site} with this address, which has one. To set a new password:"


class Mailer:
    """Sends queued mails, one after the other; every process may run one."""

    def __init__(
        self,
        links: Links,
        administration: Administration,
        mail: Mail,
        *,
        base_url: str,
        site: str = "Tallygate",
        clock: Callable[[], dt.datetime] = now,
        jobs: Jobs | None = None,
    ) -> None:
        """Take the queue, the people, the mail server, and the address that links begin with."""
        self._links = links
        self._administration = administration
        self._mail = mail
        self._base_url = base_url.rstrip("/")
        self._site = site
        self._clock = clock
        self._jobs = jobs or Jobs()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop; what was being sent is tried again by whoever comes next."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                with self._jobs.running("mailer", LOOK_SECONDS) as job:
                    sent = job.done = await self.send_due()
                if not sent:
                    await self._links.drop_old(self._clock() - _KEPT)
            except Exception as error:  # noqa: BLE001 -- whatever it was, the next look comes: mails must go out
                _log.warning("mailer_failed", error=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def send_due(self) -> int:
        """Send what is due; give how many mails the mail server took."""
        sent = 0
        while True:
            moment = self._clock()
            mail = await self._links.take(now=moment, retry_at=moment + _TAKEN, attempts_max=ATTEMPTS_MAX)
            if mail is None:
                return sent
            try:
                if await self._send(mail):
                    sent += 1
            except MailError as error:
                wait = min(_FIRST * 2 ** (mail.attempts - 1), _LAST)
                await self._links.postpone(mail, moment + wait)
                _log.warning(
                    "mail_postponed", mail_id=mail.mail_id, attempts=mail.attempts, reason=str(error),
                    given_up=mail.attempts >= ATTEMPTS_MAX,
                )  # fmt: skip
            else:
                await self._links.finish(mail, self._clock())

    async def _send(self, mail: QueuedMail) -> bool:
        """Send one mail, unless nobody is there for it; say whether one went out."""
        kind = mail.kind
        found = await self._administration.find("user", mail.recipient)
        known = found is not None and not found.archived and not found.entity.disabled
        tenant = ""
        if kind == "password_reset" and not known:
            return False
        if kind == "sign_up" and found is not None:
            if not known:
                return False
            kind = "password_reset"
        if kind == "invitation":
            if not await self._links.is_open(mail.mail_id):
                # Taken back before it went out.
                return False
            tenant = (await self._administration.get("tenant", str(mail.tenant_id))).entity.name
        secret = await self._links.make(
            EntityId(mail.mail_id),
            kind,
            mail.recipient,
            made_by=mail.made_by,
            now=self._clock(),
            tenant_id=mail.tenant_id,
            role=mail.role,
        )
        subject, text = _TEXTS[kind]
        if kind != mail.kind:
            text = _HAS_ACCOUNT
        names = {"site": self._site, "tenant": tenant}
        lasts = "an hour" if LASTS[kind] < dt.timedelta(days=1) else f"{LASTS[kind].days} days"
        await self._mail.send(
            mail.recipient,
            subject.format(**names),
            # After a #, for no browser sends that to servers, and no server writes it to its log.
            f"{text.format(**names)}\n\n{self._base_url}/accept#{secret}\n\nIt is good once, for {lasts}."
            " If you did not expect this mail, do nothing.\n",
        )
        await self._administration.note(
            MailSent(mail_id=EntityId(mail.mail_id), kind=kind, recipient=mail.recipient),
            actor="system:mailer",
            tenant_id=PLATFORM,
            event_id=derive_id(mail.mail_id, "sent"),
        )
        return True
