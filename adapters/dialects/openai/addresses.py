"""Where a vendor of OpenAI's dialect is reached, and with which headers."""

import re
from typing import Final
from urllib.parse import urlsplit

from domain.relay.call import Surface

JSON: Final = "application/json"

PATHS: Final[dict[Surface, str]] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "images": "/images/generations",
    "image_edits": "/images/edits",
    "speech": "/audio/speech",
    "transcriptions": "/audio/transcriptions",
    "translations": "/audio/translations",
    "moderations": "/moderations",
    "rerank": "/rerank",
}
RESPONSES: Final = "/responses"

_VERSIONED: Final = re.compile(r"/v\d+(?:alpha|beta)?\d*(?:/openai)?$")
_PASTED: Final = re.compile(r"(?:/text)?/(?:chat/completions|chatcompletion_v2)$")


def root(base_url: str, prefix: str, *, is_full_prefix: bool = False) -> str:
    """Give what the paths are appended to, whether the base URL has the version in it or not.

    A base that ends with a version, or with a part of the prefix, is completed and never doubled; an operator
    who pasted the address of a chat means its root.
    """
    base = _PASTED.sub("", base_url.rstrip("/"))
    if is_full_prefix or not prefix or _VERSIONED.search(base) or base.endswith(prefix):
        return base
    parts = prefix.split("/")
    for length in range(len(parts) - 1, 1, -1):
        beginning = "/".join(parts[:length])
        if urlsplit(base).path.endswith(beginning):
            return base.removesuffix(beginning) + prefix
    return base + prefix


def endpoint(base_url: str, surface: Surface, *, is_full_prefix: bool = False) -> str:
    """Give the address of a call: a base without a version gets `/v1`, unless it is the full prefix."""
    return root(base_url, "/v1", is_full_prefix=is_full_prefix) + PATHS[surface]


def request_headers(
    api_key: str, *, organization: str = "", project: str = "", content_type: str = JSON
) -> dict[str, str]:
    """Give all headers of a channel's requests; none of them is the client's.

    Answers are asked for uncompressed: unpacking would cost more than it saves, and would hold tokens back.
    """
    headers = {"Content-Type": content_type, "Accept-Encoding": "identity", "User-Agent": "Tallygate"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    if organization:
        headers["OpenAI-Organization"] = organization
    if project:
        headers["OpenAI-Project"] = project
    return headers
