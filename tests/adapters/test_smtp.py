"""Mails over a real connection to a small mail server of this test."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.smtp import MailError, SmtpMail


class MailServer:
    """Says yes to everything, or no to every recipient, and keeps what it was told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.refuses = False
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        in_data = False
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.heard.append(line)
            verb = line.upper()
            if in_data:
                in_data = line != "."
                if in_data:
                    continue
                answer = b"250 taken\r\n"
            elif verb.startswith("DATA"):
                in_data, answer = True, b"354 go on\r\n"
            elif verb.startswith("RCPT") and self.refuses:
                answer = b"550 no such person ada@example.com\r\n"
            elif verb.startswith("QUIT"):
                writer.write(b"221 bye\r\n")
                break
            else:
                answer = b"250 ok\r\n"
            writer.write(answer)
            await writer.drain()
            if in_data:
                await self._read_mail(reader)
                in_data = False
                writer.write(b"250 taken\r\n")
        writer.close()

    async def _read_mail(self, reader: asyncio.StreamReader) -> None:
        while (line := (await reader.readline()).decode().rstrip("\r\n")) != ".":
            self.heard.append(line)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    mail_server = MailServer()
    listener = await asyncio.start_server(mail_server.talk, "127.0.0.1", 0)
    mail_server.port = listener.sockets[0].getsockname()[1]
    yield mail_server
    listener.close()
    await listener.wait_closed()


async def test_a_mail_is_handed_over_as_it_was_written(server: MailServer) -> None:
    mail = SmtpMail(f"smtp://127.0.0.1:{server.port}", "Tallygate <no-reply@example.com>")

    await mail.send("ada@example.com", "Your password", "Follow https://llm.example/accept#secret\n")

    # Newer Pythons write both words small.
    said = [line.partition(" size")[0].replace(" FROM:", " from:").replace(" TO:", " to:") for line in server.heard]
    assert "mail from:<no-reply@example.com>" in said
    assert "rcpt to:<ada@example.com>" in said
    assert "Subject: Your password" in server.heard
    assert "Follow https://llm.example/accept#secret" in server.heard


async def test_a_refusal_tells_nothing_of_what_was_said(server: MailServer) -> None:
    server.refuses = True
    mail = SmtpMail(f"smtp://user:hidden@127.0.0.1:{server.port}", "no-reply@example.com")

    with pytest.raises(MailError) as caught:
        await mail.send("ada@example.com", "Your password", "Follow the link")

    assert "ada" not in str(caught.value)
    assert "hidden" not in f"{caught.value} {mail!r}"


async def test_a_server_that_is_not_there_is_an_error_to_try_again_after() -> None:
    with pytest.raises(MailError, match="failed"):
        await SmtpMail("smtp://127.0.0.1:9", "no-reply@example.com").send("ada@example.com", "s", "t")


async def test_a_header_cannot_be_smuggled_in_by_a_recipient(server: MailServer) -> None:
    mail = SmtpMail(f"smtp://127.0.0.1:{server.port}", "no-reply@example.com")

    with pytest.raises(MailError):
        await mail.send("ada@example.com\r\nBcc: eve@example.com", "s", "t")

    assert server.heard == []
