"""What each process of a server does for itself."""

import gc
import os
import secrets
import socket


def node_name(part: str = "") -> str:
    """Give this process a name that no other ever has; `part` says what it does, where that is not serving."""
    return "-".join(filter(None, (socket.gethostname()[:40], part, str(os.getpid()), secrets.token_hex(3))))


def spare_collections() -> None:
    """Keep what is there for good out of garbage collections: each look at all of it stops every request for 50 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
