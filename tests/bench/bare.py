"""The bare relay limit: an aiohttp pass-through under the server that Tallygate uses, and nothing else.

No token, no price, no ledger, no limit on bodies, no time-outs: what it costs to move the bytes with these libraries.
"""

import argparse
import asyncio
import socket
import sys
from typing import Any

import aiohttp
import uvicorn
import uvloop
from yarl import URL

_HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer bench", "Accept-Encoding": "identity"}


class Bare:
    """A raw ASGI application."""

    def __init__(self, vendor: str) -> None:
        self.vendor = URL(vendor)
        self.session: aiohttp.ClientSession | None = None

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if self.session is None:
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        async with self.session.post(self.vendor, data=body, headers=_HEADERS, allow_redirects=False) as answer:
            kind = answer.headers["Content-Type"].encode()
            if not kind.startswith(b"text/event-stream"):
                data = await answer.read()
                headers = [(b"content-type", kind), (b"content-length", str(len(data)).encode())]
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                await send({"type": "http.response.body", "body": data})
                return
            await send({"type": "http.response.start", "status": answer.status, "headers": [(b"content-type", kind)]})
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def _serve(vendor: str, port: int) -> None:
    with socket.socket() as listener:
        # Several processes share the port, as Tallygate's workers do.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(2048)
        listener.setblocking(False)
        config = uvicorn.Config(
            Bare(vendor),
            loop="none",
            http="httptools",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            backlog=2048,
            timeout_keep_alive=75,
        )
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="A pass-through to one vendor")
    parser.add_argument("--vendor", required=True, help="URL that every request is sent to")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.vendor, arguments.port))


if __name__ == "__main__":
    # uvicorn hands the signal on once it has ended in good order.
    try:
        main()
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(0)
