"""The path of the public address: a proxy may strip it before requests come here, or leave it."""

from typing import Any


class Prefixed:
    """An ASGI application below a path and, just the same, at the root."""

    def __init__(self, app: Any, prefix: str) -> None:
        """Take the application and the prefix: a slash and what follows, with no slash at the end."""
        self._app = app
        self._prefix = prefix
        self._raw = prefix.encode()

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Give the awaitable of the application itself: a coroutine around it would cost every request."""
        path: str = scope.get("path", "")
        if path.startswith(self._prefix) and path[len(self._prefix) : len(self._prefix) + 1] in {"", "/"}:
            raw: bytes = scope.get("raw_path") or path.encode()
            scope = {
                **scope,
                "path": path[len(self._prefix) :] or "/",
                "raw_path": raw.removeprefix(self._raw) or b"/",
            }
        return self._app(scope, receive, send)
