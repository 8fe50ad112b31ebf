"""Every contract that clients may speak."""

from collections.abc import Mapping
from typing import Final

from adapters.surfaces import anthropic, gemini, openai, responses
from domain.relay.call import ClientDialect
from domain.relay.dialect import ClientSurface

SURFACES: Final[Mapping[ClientDialect, ClientSurface]] = {
    "openai": openai.SURFACE,
    "responses": responses.SURFACE,
    "anthropic": anthropic.SURFACE,
    "gemini": gemini.SURFACE,
}
