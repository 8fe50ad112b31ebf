"""OpenAI's dialect of chat, completions and embeddings: pure functions from bytes to values and back."""

from adapters.dialects.openai.addresses import endpoint, request_headers
from adapters.dialects.openai.answers import (
    decode_chunk,
    decode_response,
    rewrite_chunk,
    rewrite_response,
    usage_chunk,
)
from adapters.dialects.openai.azure import AzureDialect
from adapters.dialects.openai.dialect import OpenAIDialect
from adapters.dialects.openai.profile import COMPATIBLE, OPENAI, Profile, Range
from adapters.dialects.openai.requests import Quirks, encode_request
from adapters.dialects.openai.usage import decode_usage
from adapters.wire.errors import decode_error

__all__ = [
    "COMPATIBLE",
    "OPENAI",
    "AzureDialect",
    "OpenAIDialect",
    "Profile",
    "Quirks",
    "Range",
    "decode_chunk",
    "decode_error",
    "decode_response",
    "decode_usage",
    "encode_request",
    "endpoint",
    "request_headers",
    "rewrite_chunk",
    "rewrite_response",
    "usage_chunk",
]
