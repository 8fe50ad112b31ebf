"""The settings that an operator may store, each with its meaning: what is not known here cannot be saved."""

import base64
import binascii
import re
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

LOGO_LENGTH_MAX: Final = 270_000
"""Base64 of 200 kB."""
LINKS_MAX: Final = 20
_COLOR: Final = re.compile(r"#[0-9a-f]{6}")
_HOST: Final = re.compile(r"[\w.-]+(:[0-9]{1,5})?")
_PLAIN: Final = re.compile(r"[^\s\x00-\x1f\"'<>\\^`{|}]+")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_IMAGE: Final = re.compile(r"data:image/(png|jpeg|webp|svg\+xml);base64,([A-Za-z0-9+/]+={0,2})")
_SIGNATURES: Final = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "svg+xml": re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg[\s/>]", re.DOTALL),
}


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a menu."""

    label: str
    url: str


class KnownSetting(msgspec.Struct, frozen=True):
    """One setting: its type, its value where nobody set it, and its meaning."""

    type: Literal["integer", "boolean", "text", "choice", "color", "image", "links", "currency", "address"]
    default: str | int | bool | None
    meaning: str
    lowest: int = 0
    highest: int = 2**53 - 1
    """Of an integer; of a text its length."""
    choices: tuple[str, ...] = ()
    group: Literal["relay", "site", "access", "system"] = "relay"
    """Where the console shows it."""

    def accepts(self, value: object) -> bool:
        """Say whether a value can be stored; None goes back to the default."""
        if value is None:
            return True
        if self.type == "boolean":
            return isinstance(value, bool)
        if self.type == "integer":
            return isinstance(value, int) and not isinstance(value, bool) and self.lowest <= value <= self.highest
        return isinstance(value, str) and len(value) <= self.highest and self._reads_well(value)

    def _reads_well(self, text: str) -> bool:
        good = {
            "choice": lambda: text in self.choices,
            "color": lambda: _COLOR.fullmatch(text) is not None,
            "currency": lambda: _CURRENCY.fullmatch(text) is not None,
            "image": lambda: not text or _is_image(text) or _is_origin(text),
            "address": lambda: not text or _is_origin(text),
            "links": lambda: _links(text) is not None,
        }
        return good[self.type]() if self.type in good else True

    @property
    def expected(self) -> str:
        """What is accepted, in words."""
        return {
            "integer": f"a whole number from {self.lowest} to {self.highest}",
            "boolean": "true or false",
            "text": f"a text of at most {self.highest} characters",
            "choice": f"one of: {', '.join(self.choices)}",
            "color": "a color such as #1a7f64",
            "currency": "a currency's code such as USD",
            "image": "an https address, or a data URL of a PNG, JPEG, WebP or SVG image of at most 200 kB",
            "address": "an https address, or nothing",
            "links": f'a JSON list of at most {LINKS_MAX} like [{{"label": "Terms", "url": "https://..."}}]',
        }[self.type]


def links_of(value: object) -> tuple[Link, ...]:
    """Give the links that a setting of this type holds; none of what holds none."""
    return (_links(value) if isinstance(value, str) else None) or ()


def _links(text: str) -> tuple[Link, ...] | None:
    try:
        links = msgspec.json.decode(text or "[]", type=tuple[Link, ...])
    except (msgspec.MsgspecError, UnicodeError):
        return None
    good = all(0 < len(each.label) <= 100 and _is_web_address(each.url) for each in links)  # noqa: PLR2004 -- a menu's width
    return links if good and len(links) <= LINKS_MAX else None


def _is_origin(text: str) -> bool:
    """Say whether browsers can be told of an address in a header, where no other script than ASCII is understood."""
    return text.isascii() and _is_web_address(text)


def _is_image(text: str) -> bool:
    """Say whether a data URL holds what it says: browsers go by the type, and people look for a reason elsewhere."""
    found = _IMAGE.fullmatch(text)
    if found is None:
        return False
    try:
        data = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return False
    return _SIGNATURES[found[1]].match(data) is not None


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme == "https" and _HOST.fullmatch(parts.netloc) is not None and _PLAIN.fullmatch(text) is not None
        )
    except ValueError:
        return False


SETTINGS: Final = {
    "output_tokens_default": KnownSetting(
        "integer",
        4096,
        "Output tokens that a request is taken to need at most where neither it nor the rate card says.",
        lowest=1,
        highest=10_000_000,
    ),
    "cache_hit_percent": KnownSetting(
        "integer",
        0,
        "What an answer from the cache costs, in percent of what it would cost anew.",
        highest=100,
    ),
    "setup_completed": KnownSetting(
        "boolean", False, "Whether the first start has made everything that it makes.", group="system"
    ),
    "site_name": KnownSetting("text", "Tallygate", "The name in the title and the bar.", highest=100, group="site"),
    "site_logo": KnownSetting(
        "image", "", "The logo in the bar; empty is the built-in one.", highest=LOGO_LENGTH_MAX, group="site"
    ),
    "site_color": KnownSetting("color", "#1a7f64", "The color of buttons and links.", group="site"),
    "site_footer": KnownSetting("text", "", "Markdown at the foot of every page.", highest=5000, group="site"),
    "site_theme": KnownSetting(
        "choice",
        "system",
        "The theme of who has chosen none.",
        choices=("light", "dark", "system"),
        group="site",
    ),
    "site_home_kind": KnownSetting(
        "choice",
        "markdown",
        "What visitors see at /: site_home_page as Markdown or as HTML, or the page at site_home_frame.",
        choices=("markdown", "html", "frame"),
        group="site",
    ),
    "site_home_page": KnownSetting(
        "text",
        "",
        "What visitors read at /, as Markdown or HTML; of HTML no script is kept. Empty is the login.",
        highest=100_000,
        group="site",
    ),
    "site_home_frame": KnownSetting(
        "address",
        "",
        "The page that is the home page; its origin is the only one that browsers may show in a frame.",
        highest=2000,
        group="site",
    ),
    "site_notice": KnownSetting("text", "", "Markdown above the home page.", highest=5000, group="site"),
    "site_top_up": KnownSetting(
        "text", "", "Markdown that tells customers how to top up, beside their balance.", highest=5000, group="site"
    ),
    "site_links": KnownSetting("links", "[]", "Links in the bar, as JSON.", highest=10_000, group="site"),
    "currency": KnownSetting(
        "currency", "USD", "The currency that amounts are shown in; it changes no amount.", group="site"
    ),
    "public_prices": KnownSetting("boolean", True, "Whether visitors may read the prices.", group="access"),
    "public_status": KnownSetting(
        "boolean", True, "Whether visitors may read how available models are.", group="access"
    ),
    "sign_up_open": KnownSetting("boolean", False, "Whether visitors may sign up.", group="access"),
}
