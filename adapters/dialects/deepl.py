"""DeepL: a chat whose answer is the translation of its last message.

Source: the vendor's Python SDK deepl 1.32.0.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.errors import classify, decode_error
from adapters.wire.kit import BROKEN, characters_report, fitted, get, given, items, member, post, text_of, words
from adapters.wire.lenient import loads
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest
from domain.relay.delta import Delta, Piece, said
from domain.relay.dialect import Frame, Framing, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import VendorError

_EXTRAS: Final = (
    "source_lang",
    "formality",
    "glossary_id",
    "tag_handling",
    "split_sentences",
    "preserve_formatting",
    "model_type",
    "custom_instructions",
)
_MODEL: Final = "deepl-"
_FREE: Final = ":fx"
_REGIONS: Final = {"EN": "EN-US", "PT": "PT-BR"}
"""Targets that need a region; the plain ones are deprecated."""
_QUOTA_USED: Final = 456


class DeepLDialect(BaseDialect):
    """A model is `deepl-<target language>`; billed by the character."""

    framing: Framing = "whole"
    surfaces: frozenset[Surface] = frozenset({"chat"})

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of a translation; a system message is its context."""
        asked = fitted(request, target, takes=(), others=_EXTRAS)
        last = asked.turns[-1] if asked.turns else None
        text = text_of(last.parts) if last is not None and last.role == "user" else ""
        if not text:
            raise InvalidRequestError("The last message must be the user's: it is translated.", param="messages")
        body = given(target_lang=language(target.model), context=asked.system, **asked.others)
        body |= {"text": [text], "show_billed_characters": True}
        return post(f"{_base(target)}/v2/translate", body, _auth(target))

    def decoder(self, call: Call) -> StreamDecoder:
        """Give a reader that is never asked: the vendor does not stream."""
        return _Never()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read the translation and what it is billed for."""
        answer = loads(body)
        translations = items(member(answer, "translations"))
        if not translations:
            return Delta(error=classify(answer)) if isinstance(answer, dict) else BROKEN
        text = "\n".join(words(member(each, "text")) for each in translations)
        billed = [member(each, "billed_characters") for each in translations]
        counted = [count for count in billed if isinstance(count, int) and count >= 0]
        counts = characters_report(sum(counted)) if len(counted) == len(billed) else None
        return said(Piece(text=text), Piece(finish_reason="stop"), report=counts)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read a failed answer; 456 is this vendor's own word for a quota that is used up."""
        if status == _QUOTA_USED:
            return VendorError("quota", status=status, vendor_code="quota_exceeded")
        return decode_error(status, headers, body, secrets=secrets)

    def models_request(self, target: Target) -> VendorRequest | None:
        """List the languages that can be translated into."""
        return get(f"{_base(target)}/v2/languages?type=target", _auth(target))

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Name a model after each."""
        return tuple(_MODEL + code.lower() for each in items(loads(body)) if (code := words(member(each, "language"))))

    def balance_request(self, target: Target) -> VendorRequest | None:
        """Ask what is used."""
        return get(f"{_base(target)}/v2/usage", _auth(target))

    def decode_balance(self, body: bytes) -> Mapping[str, Decimal]:
        """Give the characters left of the plan, for this vendor sells characters."""
        answer = loads(body)
        limit, used = member(answer, "character_limit"), member(answer, "character_count")
        if not isinstance(limit, int) or not isinstance(used, int):
            return {}
        return {"characters": Decimal(limit - used)}


def language(model: str) -> str:
    """Give the target language that a model's name stands for; without one it is Chinese."""
    name = model.removeprefix(_MODEL) if model.startswith(_MODEL) else ""
    code, dash, region = name.partition("-")
    wanted = code.upper() + dash + (region.upper() if len(region) == 2 else region) if code else "ZH"  # noqa: PLR2004 -- a country's code
    return _REGIONS.get(wanted, wanted)


def _base(target: Target) -> str:
    """Give the address: keys of the free plan have a host of their own."""
    if target.key.endswith(_FREE):
        return target.base_url.replace("//api.deepl.com", "//api-free.deepl.com")
    return target.base_url


def _auth(target: Target) -> dict[str, str]:
    return {"Authorization": f"DeepL-Auth-Key {target.key}"}


class _Never(BaseDecoder):
    def feed(self, frame: Frame) -> list[Delta]:
        """Say that there should be no stream."""
        return [BROKEN]


DIALECT: Final = DeepLDialect()
