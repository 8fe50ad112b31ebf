"""Servers of OpenAI's dialect that operators run themselves."""

from typing import Final

from adapters.dialects.openai import vendors
from adapters.dialects.openai.dialect import OpenAIDialect
from adapters.dialects.openai.profile import Profile
from domain.relay.call import ClientDialect, Surface
from domain.relay.channel_type import Capability, ChannelType, Words

_SHOWN_BY: Final = (
    "tests/adapters/channel_types/test_openai_family.py",
    "tests/adapters/dialects/test_openai_dialect.py",
)
_TEXT: Final[frozenset[Surface]] = frozenset({"chat", "completions", "embeddings"})
_KEY: Final = Words("Only if the server was started with one", "仅在服务端启用密钥时填写")


def _row(
    name: str,
    title: str,
    profile: Profile,
    base_url: str,
    *,
    surfaces: frozenset[Surface],
    capabilities: frozenset[Capability],
    unverified: tuple[str, ...] = (),
    native: frozenset[ClientDialect] = frozenset({"openai"}),
    aliases: tuple[str, ...] = (),
    inlines_media: bool = False,
) -> ChannelType:
    return ChannelType(
        name=name,
        title=Words(title, title),
        dialect=OpenAIDialect(profile, surfaces),
        base_url=base_url,
        aliases=aliases,
        key_help=_KEY,
        needs_key=False,
        surfaces=surfaces,
        native=native,
        capabilities=capabilities,
        inlines_media=inlines_media,
        unverified=unverified,
        shown_by=_SHOWN_BY,
    )


_MOST: Final[frozenset[Capability]] = frozenset(
    {"tools", "images", "json_object", "json_schema", "reasoning", "logprobs", "n", "seed"}
)
_RESPONSES: Final[frozenset[ClientDialect]] = frozenset({"openai", "responses"})

ROWS: Final[tuple[ChannelType, ...]] = (
    _row(
        "vllm",
        "vLLM",
        vendors.VLLM,
        "http://localhost:8000",
        surfaces=_TEXT | {"rerank", "transcriptions"},
        capabilities=_MOST | {"audio"},
        unverified=(
            "the name of thoughts, which changed between versions: both are read",
            "error codes as numbers or names",
        ),
        native=_RESPONSES,
    ),
    _row(
        "lm_studio",
        "LM Studio",
        vendors.LM_STUDIO,
        "http://localhost:1234",
        surfaces=_TEXT,
        capabilities=_MOST - {"n", "json_object"},
        unverified=("errors as a text or an object: both are read",),
        native=_RESPONSES,
        aliases=("lmstudio",),
        inlines_media=True,
    ),
    _row(
        "llama_cpp",
        "llama.cpp",
        vendors.LLAMA_CPP,
        "http://localhost:8080",
        surfaces=_TEXT | {"rerank"},
        capabilities=_MOST,
        aliases=("llama.cpp", "llamacpp"),
    ),
    _row(
        "xinference",
        "Xinference",
        vendors.XINFERENCE,
        "http://localhost:9997",
        surfaces=_TEXT | {"rerank", "images", "transcriptions", "speech"},
        capabilities=_MOST | {"audio"},
        unverified=("errors in streams as a text: read as such",),
    ),
    _row(
        "ollama_v1",
        "Ollama (OpenAI surface)",
        vendors.OLLAMA,
        "http://localhost:11434",
        surfaces=_TEXT,
        capabilities=frozenset({"tools", "images", "json_object", "json_schema", "reasoning", "seed"}),
        aliases=("ollama-v1",),
        inlines_media=True,
    ),
)
