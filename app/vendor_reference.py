"""docs/vendors.md: what every channel type is, made from the table of channel types."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.channel_types import TYPES
from adapters.dialects.openai.dialect import OpenAIDialect
from adapters.dialects.openai.profile import Profile
from domain.relay.channel_type import ChannelType
from domain.relay.hosted import Searches

_HEAD = """# Vendors

Made from the code by `python -m app.reference`. A channel connects one vendor; its type says how.
Chats reach every type that serves `chat`, whatever contract the client speaks. Where client and vendor speak the same
contract bytes pass through; otherwise a call is read and written anew. What a vendor cannot do is refused with
`unsupported_parameter`, or left out where the channel says so.

## Every type

| type | vendor | dialect | key | base URL | surfaces | bytes pass through for |
|---|---|---|---|---|---|---|
"""
_DIALECTS = "adapters.dialects."


def vendors_reference() -> str:
    """Give docs/vendors.md."""
    rows = sorted(TYPES.values(), key=lambda row: row.name)
    parts = [_HEAD + "\n".join(_row(row) for row in rows), "## Each type", *(_described(row) for row in rows)]
    return "\n\n".join(parts) + "\n"


_SEARCHES: Final[Mapping[Searches, str]] = {
    "reported": "counted from its report",
    "asked": "counted from its report; an answer of a chat that searches is one",
    "included": "in the price of the call",
}


def _row(row: ChannelType) -> str:
    module = type(row.dialect).__module__.removeprefix(_DIALECTS)
    base_url = f"`{row.base_url}`" if row.base_url else "the operator's"
    cells = (
        f"`{row.name}`",
        row.title.en,
        f"`{module}`",
        _key(row),
        base_url,
        _codes(row.surfaces),
        _codes(row.native),
    )
    return f"| {' | '.join(cells)} |"


def _key(row: ChannelType) -> str:
    if not row.needs_key:
        return row.key_help.en.replace("|", "\\|") or "none needed"
    return (row.key_help.en or row.key_title.en).replace("|", "\\|")


def _codes(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


def _described(row: ChannelType) -> str:
    lines = [f"### {row.name}", ""]
    if row.retired is not None:
        lines += [f"- Retired: {row.retired.en}"]
    known_as = [*([str(row.number)] if row.number is not None else []), *row.aliases]
    lines += [f"- Imported from: {_codes(known_as)}"] if known_as else []
    lines += [f"- Capabilities: {_codes(row.capabilities)}"]
    lines += [f"- Searches: {_SEARCHES[row.searches]}"] if row.searches else []
    lines += [f"- Fields: {_codes(field.name for field in row.fields)}"] if row.fields else []
    lines += ["- Keeps to no output limit: what the model can write is held for, whatever the client says."] * (
        not row.limits_output
    )
    lines += ["- Media named by an address are fetched and sent inside the request."] if row.inlines_media else []
    if isinstance(row.dialect, OpenAIDialect):
        lines += _quirks(row.dialect.profile)
    lines += [f"- Not confirmed, and right either way: {fact}." for fact in row.unverified]
    lines += [f"- Shown by {_codes(row.shown_by)}"]
    return "\n".join(lines)


def _quirks(profile: Profile) -> list[str]:
    """Say what of a profile changes what is counted, or what a client may ask for."""
    lines = []
    if profile.cannot:
        lines.append(f"- Refused: {_codes(profile.cannot)}")
    if profile.ignores:
        lines.append(f"- Left out, for it does not change the answer: {_codes(profile.ignores)}")
    if not profile.takes_stream_options:
        lines.append("- Streams are not asked for usage; what the vendor reports unasked counts, else our own count.")
    if not profile.believes_usage:
        lines.append("- The vendor's usage is not believed: our own count is charged.")
    if profile.think_tags:
        lines.append("- Thoughts may stand in the text between `<think>` tags: they are told as reasoning.")
    if profile.message_ends_stream:
        lines.append("- The last event of a stream repeats the whole answer: it is neither told nor counted twice.")
    if not profile.needs_finish:
        lines.append("- A stream may end without a finish reason.")
    return lines
