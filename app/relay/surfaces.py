"""Every contract that clients may speak."""

from collections.abc import Mapping
from typing import Final

from adapters.surfaces import anthropic, gemini, openai, responses
from domain.relay.call import ClientDialect
from domain.relay.dialect import ClientSurface

GEMINI_ARRAY: Final[ClientSurface] = gemini.SURFACE_ARRAY
"""Gemini's contract where a stream is one list, for clients that do not ask for events."""

SURFACES: Final[Mapping[ClientDialect, ClientSurface]] = {
    "openai": openai.SURFACE,
    "responses": responses.SURFACE,
    "anthropic": anthropic.SURFACE,
    "gemini": gemini.SURFACE,
}
