"""What a piece of media is, for vendors that must be told its type."""

from typing import Final

from domain.relay.chat import Media
from domain.relay.dialect import UnsupportedParameterError

_IMAGES: Final = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}
"""How the base64 of each image format begins."""
_KINDS: Final = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "file": "application/pdf"}


def media_type_of(media: Media) -> str:
    """Give its type: as the client said, else as an image's first bytes say, else the kind's usual one."""
    if media.media_type:
        return "image/jpeg" if media.media_type == "image/jpg" else media.media_type
    if media.kind == "image":
        return next((name for start, name in _IMAGES.items() if media.data.startswith(start)), _KINDS["image"])
    return _KINDS[media.kind]


def refuse_media(media: Media, why: str = "") -> UnsupportedParameterError:
    """Give the error for media that the vendor does not take."""
    param = {"image": "image_url", "audio": "input_audio", "video": "video_url", "file": "file"}[media.kind]
    return UnsupportedParameterError(param, why or f"This model's vendor takes no {media.kind}: leave it out.")


def must_be_inline(media: Media) -> UnsupportedParameterError:
    """Give the error for an address where the vendor wants the bytes themselves."""
    return refuse_media(media, f"This model's vendor takes no address for {media.kind}: send it as base64.")
