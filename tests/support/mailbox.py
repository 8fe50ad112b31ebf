"""A mail server that keeps what it is given: enough of SMTP for the product's mails."""

import asyncio
import contextlib
import email
import email.policy
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from email.message import EmailMessage

WAIT_SECONDS: Final = 30


class Mailbox:
    """Everything that came, and the address to send it to."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self._came = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def link_to(self, login: str) -> str:
        """Wait for a mail to somebody, and give the path of the link in it, such as `/accept#...`."""
        async with asyncio.timeout(WAIT_SECONDS), self._came:
            await self._came.wait_for(lambda: any(login in str(mail["to"]) for mail in self.mails))
        mail = next(mail for mail in reversed(self.mails) if login in str(mail["to"]))
        self.mails.remove(mail)
        body = mail.get_body(("plain",))
        assert body is not None
        found = re.search(r"https?://[^/\s]+(/\S*accept#\S+)", body.get_content())
        assert found is not None, body.get_content()
        return found[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take mails on one connection until the other side has said QUIT."""
        writer.write(b"220 mailbox\r\n")
        while line := await reader.readline():
            match line[:4].upper():
                case b"EHLO":
                    writer.write(b"250-mailbox\r\n250 8BITMIME\r\n")
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    # A dot at the beginning of a line is doubled on the way.
                    text = re.sub(rb"(?m)^\.\.", b".", (await reader.readuntil(b"\r\n.\r\n"))[:-3])
                    async with self._came:
                        self.mails.append(email.message_from_bytes(text, policy=email.policy.default))
                        self._came.notify_all()
                    writer.write(b"250 kept\r\n")
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 ok\r\n")
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def run_mailbox() -> AsyncIterator[Mailbox]:
    """Run a mail server on a free port for as long as the block lasts."""
    mailbox = Mailbox()
    server = await asyncio.start_server(mailbox.serve, "127.0.0.1", 0)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
