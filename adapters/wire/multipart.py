"""Forms with files (multipart/form-data), read whole and written anew."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from domain.relay.call import InvalidRequestError

PARTS_MAX: Final = 256
_HEAD_BYTES_MAX: Final = 16 * 1024
_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]{1,70})"|([^;\s"]{1,70}))', re.IGNORECASE)
_PARAMETER: Final = re.compile(r';\s*(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


class FormPart(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a form, a file if it has a file's name."""

    name: str
    content: bytes
    filename: str = ""
    media_type: str = ""

    @property
    def text(self) -> str:
        """The field as text."""
        return self.content.decode("utf-8", "replace")


def read_form(body: bytes, content_type: str) -> tuple[FormPart, ...]:
    """Give the fields in their order; InvalidRequestError if this is no form."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        raise InvalidRequestError("Send this request as multipart/form-data, with a boundary in its content type.")
    mark = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(mark)
    if len(pieces) - 2 > PARTS_MAX:
        raise InvalidRequestError(f"A form may have at most {PARTS_MAX} fields.")
    parts: list[FormPart] = []
    for piece in pieces[1:]:
        if piece[:2] == b"--":
            return tuple(parts)
        parts.append(_part(piece))
    raise InvalidRequestError("The form is cut short: its last boundary is missing.")


def _part(piece: bytes) -> FormPart:
    head, found, content = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not found or len(head) > _HEAD_BYTES_MAX:
        raise InvalidRequestError("A field of the form has no readable head.")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    named = {key.lower(): _unquoted(value) for key, value in _PARAMETER.findall(headers.get("content-disposition", ""))}
    if not named.get("name"):
        raise InvalidRequestError("A field of the form has no name.")
    return FormPart(
        name=named["name"],
        content=content,
        filename=named.get("filename", ""),
        media_type=headers.get("content-type", ""),
    )


def _unquoted(value: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", value).replace("%22", '"')


def write_form(parts: Iterable[FormPart], seed: str) -> tuple[bytes, str]:
    """Give the body and its content type; the boundary is made of `seed`, and occurs nowhere in the parts."""
    parts = tuple(parts)
    boundary = f"tallygate-{seed}"
    while any(boundary.encode() in part.content for part in parts):
        boundary += "x"
    out: list[bytes] = []
    for part in parts:
        head = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
        if part.filename:
            head += f'; filename="{_quoted(part.filename)}"'
        if part.media_type:
            head += f"\r\nContent-Type: {_line(part.media_type)}"
        out += [b"--", boundary.encode(), b"\r\n", head.encode(), b"\r\n\r\n", part.content, b"\r\n"]
    out += [b"--", boundary.encode(), b"--\r\n"]
    return b"".join(out), f"multipart/form-data; boundary={boundary}"


def _quoted(value: str) -> str:
    return _line(value).replace('"', "%22")


def _line(value: str) -> str:
    return re.sub(r"[\r\n\x00]", " ", value)
