"""Sends e-mails through a mail server: the standard library's client, in a thread.

A few mails a minute at most leave this program, each on a connection of its own, so a client that blocks a thread is
enough, and one dependency less.
"""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from adapters.clock import now

TIMEOUT_SECONDS: Final = 20.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class MailError(Exception):
    """The mail server did not take the mail. The message quotes nothing that the server or the mail says."""


class Mail(Protocol):
    """Whatever takes a mail, and answers for it from then on."""

    async def send(self, recipient: str, subject: str, text: str) -> None:
        """Hand over a mail; raises MailError."""
        ...


class SmtpMail:
    """A mail server, by an address such as smtp://user:password@mail.example.com:587 or smtps://..."""

    def __init__(self, url: str, sender: str) -> None:
        """Take the address, and whom mails are from."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 587)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender

    def __repr__(self) -> str:
        """Show where it is, and no password."""
        return f"SmtpMail({self._host}:{self._port})"

    async def send(self, recipient: str, subject: str, text: str) -> None:
        """Hand over a mail; raises MailError."""
        try:
            message = self._written(recipient, subject, text)
            await asyncio.to_thread(self._send, message)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise MailError(f"the mail server {self._host}:{self._port} failed: {type(error).__name__}") from None

    def _written(self, recipient: str, subject: str, text: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = recipient
        message["Subject"] = subject
        message["Date"] = format_datetime(now())
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2].strip("> ") or None)
        # So that no robot answers it.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    def _send(self, message: EmailMessage) -> None:
        context = ssl.create_default_context()
        if self._tls:
            with smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_SECONDS, context=context) as server:
                self._deliver(server, message)
            return
        with smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS) as server:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif self._host not in _LOOPBACK:
                # A link that resets a password is not sent where anybody on the way reads it.
                raise smtplib.SMTPNotSupportedError("no STARTTLS")
            self._deliver(server, message)

    def _deliver(self, server: smtplib.SMTP, message: EmailMessage) -> None:
        if self._user:
            server.login(self._user, self._password)
        server.send_message(message)
