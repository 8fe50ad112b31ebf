"""Where alerts are told: a webhook, e-mail, and whatever else `apprise` has an address for."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from adapters.outbound import GuardedConnector
from app.routing.alerts import LogSink, Notice, Sink
from domain.outbound import OutboundRules, target

_SECONDS: Final = 10.0
_FAILED: Final = 300


class NotToldError(Exception):
    """The other side did not take it; no address is in the message, for it may hold a secret."""


class WebhookSink:
    """Posts the notice as JSON to an http or https address; redirects are not followed."""

    def __init__(self, url: str, rules: OutboundRules) -> None:
        """Take the address, and which addresses may be called."""
        self._url = url
        self._rules = rules
        self.name = _name("webhook", url)

    async def tell(self, notice: Notice) -> None:
        """Post it; NotToldError for an answer that is no success."""
        target(self._url, self._rules)
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        connector = GuardedConnector(self._rules, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.post(
                self._url,
                data=msgspec.json.encode(notice),
                headers={"content-type": "application/json", "user-agent": "tallygate"},
                allow_redirects=False,
            ) as response,
        ):
            if response.status >= _FAILED:
                raise NotToldError(f"status {response.status}")


class AppriseSink:
    """Tells an address of `apprise`: `mailto://` and `mailtos://` are e-mail by SMTP."""

    def __init__(self, url: str) -> None:
        """Take the address; ValueError for one that apprise does not know."""
        # Imported late: it loads a module for each of a hundred services, and few operators need one.
        import apprise  # noqa: PLC0415

        # It logs addresses, and those hold passwords; that something went wrong is ours to say.
        logging.getLogger("apprise").disabled = True
        self._told = apprise.Apprise()
        if not self._told.add(url):
            raise ValueError(
                "an address that apprise knows, such as mailtos://user:password@example.com?to=you@example.com"
            )
        self.name = _name(urlsplit(url).scheme, url)

    async def tell(self, notice: Notice) -> None:
        """Send it, in a thread: what apprise calls may block."""
        word = "Alert" if notice.event == "alert.raised" else "Resolved"
        sent = await asyncio.to_thread(
            self._told.notify,
            title=f"[Tallygate] {word}: {notice.kind}",
            body=f"{notice.title}\n\n{notice.subject}\n{notice.at:%Y-%m-%d %H:%M:%S} UTC",
        )
        if not sent:
            raise NotToldError("refused")


def sinks_of(urls: Sequence[str], rules: OutboundRules) -> list[Sink]:
    """Give the log and a sink for each address; ValueError for one that cannot be used."""
    return [LogSink(), *(sink_of(url, rules) for url in urls)]


def sink_of(url: str, rules: OutboundRules) -> Sink:
    """Give the sink of an address; ValueError that says what would be right."""
    return WebhookSink(url, rules) if urlsplit(url).scheme in {"http", "https"} else AppriseSink(url)


def _name(kind: str, url: str) -> str:
    return f"{kind}:{hashlib.sha256(url.encode()).hexdigest()[:12]}"
