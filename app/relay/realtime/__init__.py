"""Conversations over a WebSocket: `session` is their life, `connecting` finds a vendor, `holds` has the money."""

from app.relay.realtime.session import Session

__all__ = ["Session"]
