"""The messages of a chat in OpenAI's form, as one vendor of the dialect wants them."""

import base64
import hashlib
import re
from typing import Any, Final

from adapters.dialects.openai.profile import Profile
from domain.relay.dialect import UnsupportedParameterError

_SHORT_ID: Final = re.compile(r"[A-Za-z0-9]{9}")
_DATA_HEAD: Final = re.compile(r"data:[^,]{0,200};base64,")
_KINDS: Final = {"image_url": "image", "input_audio": "audio", "file": "file", "video_url": "video"}
_MEMBERS: Final = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content", "reasoning", "prefix", "partial"}
)


def fitted(messages: list[Any], profile: Profile) -> list[Any]:
    """Give the messages with the vendor's quirks heeded; what is no message is left for the vendor to judge.

    Raises UnsupportedParameterError for content that the vendor cannot read: no answer to a prompt without it
    would be one to the question.
    """
    out = [
        _fitted(said, f"messages[{place}]", profile) if isinstance(said, dict) else said
        for place, said in enumerate(messages)
    ]
    return _alternating(out) if profile.alternates else out


def _fitted(said: dict[str, Any], path: str, profile: Profile) -> dict[str, Any]:
    said = dict(said)
    if said.get("role") == "developer" and not profile.has_developer_role:
        said["role"] = "system"
    if not profile.takes_names:
        said.pop("name", None)
    _fit_reasoning(said, profile)
    if profile.is_strict:
        said = {
            name: value for name, value in said.items() if name in _MEMBERS and (value is not None or name == "content")
        }
    content = said.get("content")
    if isinstance(content, list):
        said["content"] = _content(content, path, profile)
    if profile.short_tool_ids:
        _shorten_ids(said)
    return said


def _fit_reasoning(said: dict[str, Any], profile: Profile) -> None:
    if not profile.keeps_reasoning_details:
        said.pop("reasoning_details", None)
    if "reasoning_content" not in said or profile.reasoning_back == "reasoning_content":
        return
    thoughts = said["reasoning_content"]
    if profile.reasoning_back == "after_tools" and said.get("tool_calls"):
        return
    del said["reasoning_content"]
    if profile.reasoning_back == "reasoning" and thoughts:
        said["reasoning"] = thoughts


def _content(parts: list[Any], path: str, profile: Profile) -> Any:
    fitted_parts = [
        _part(part, f"{path}.content[{place}]", profile) if isinstance(part, dict) else part
        for place, part in enumerate(parts)
    ]
    if profile.joins_text:
        texts = [part.get("text") for part in fitted_parts if isinstance(part, dict) and part.get("type") == "text"]
        if len(texts) == len(fitted_parts) and all(isinstance(text, str) for text in texts):
            return "\n".join(str(text) for text in texts)
    return fitted_parts


def _part(part: dict[str, Any], path: str, profile: Profile) -> dict[str, Any]:
    if "cache_control" in part and not profile.takes_cache_control:
        part = {name: value for name, value in part.items() if name != "cache_control"}
    kind = _KINDS.get(str(part.get("type")))
    if kind is None:
        return part
    if kind not in profile.media:
        raise UnsupportedParameterError(path, f"This model's vendor takes no {kind} content ('{path}').")
    if kind == "image" and profile.raw_image_data:
        return _raw_image(part)
    if kind == "audio" and profile.audio_by_url:
        return _audio_by_url(part)
    return part


def _raw_image(part: dict[str, Any]) -> dict[str, Any]:
    image = part["image_url"]
    if isinstance(image, dict) and isinstance(image.get("url"), str):
        return {**part, "image_url": {**image, "url": _DATA_HEAD.sub("", image["url"], count=1)}}
    return part


def _audio_by_url(part: dict[str, Any]) -> dict[str, Any]:
    sound = part["input_audio"]
    if not isinstance(sound, dict):
        return part
    kind = "mpeg" if sound.get("format") == "mp3" else sound.get("format", "wav")
    return {"type": "audio_url", "audio_url": {"url": f"data:audio/{kind};base64,{sound.get('data', '')}"}}


def _shorten_ids(said: dict[str, Any]) -> None:
    if isinstance(said.get("tool_call_id"), str):
        said["tool_call_id"] = short_id(said["tool_call_id"])
    calls = said.get("tool_calls")
    if isinstance(calls, list):
        said["tool_calls"] = [
            {**call, "id": short_id(call["id"])} if isinstance(call, dict) and isinstance(call.get("id"), str) else call
            for call in calls
        ]


def short_id(call_id: str) -> str:
    """Give nine letters and digits for an id, always the same ones, so that calls and results still match."""
    if _SHORT_ID.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "replace")).digest()
    return base64.b32encode(digest).decode()[:9]


def _alternating(messages: list[Any]) -> list[Any]:
    """Join neighbors of one role by a blank line, where both are text."""
    out: list[Any] = []
    for said in messages:
        last = out[-1] if out else None
        if (
            isinstance(said, dict)
            and isinstance(last, dict)
            and said.get("role") == last.get("role") in ("user", "assistant")
            and not said.get("tool_calls")
            and not last.get("tool_calls")
        ):
            joined = _joined(last.get("content"), said.get("content"))
            if joined is not None:
                out[-1] = {**last, "content": joined}
                continue
        out.append(said)
    return out


def _joined(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return f"{left}\n\n{right}"
    if isinstance(left, str | list) and isinstance(right, str | list):
        return [*_as_parts(left), *_as_parts(right)]
    return None


def _as_parts(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}]
