"""What the rows of OpenAI's family share."""

from typing import Any, Final

from adapters.dialects.openai.dialect import OpenAIDialect
from adapters.dialects.openai.profile import Profile
from domain.relay.call import ClientDialect, Surface
from domain.relay.channel_type import Capability, ChannelType, Field, Words

SHOWN_BY: Final = (
    "tests/adapters/channel_types/test_openai_family.py",
    "tests/adapters/dialects/test_openai_dialect.py",
    "tests/adapters/dialects/test_golden.py",
    "tests/acceptance/test_every_vendor.py",
)

TEXT: Final[frozenset[Surface]] = frozenset({"chat", "completions", "embeddings"})
EVERYTHING: Final[frozenset[Surface]] = TEXT | {
    "images",
    "image_edits",
    "speech",
    "transcriptions",
    "translations",
    "moderations",
}
CONVERSING: Final[frozenset[Surface]] = EVERYTHING | {"realtime"}
BOTH: Final[frozenset[ClientDialect]] = frozenset({"openai", "responses"})
ALONE: Final[frozenset[ClientDialect]] = frozenset({"openai"})
TRANSLATED: Final[frozenset[ClientDialect]] = frozenset()
"""Too far from the contract for bytes to pass through: everything is read and written anew."""

ALL: Final[frozenset[Capability]] = frozenset(
    {"tools", "images", "audio", "files", "json_object", "json_schema", "reasoning", "logprobs", "n", "seed"}
)
USUAL: Final[frozenset[Capability]] = ALL - {"audio", "files"}

FULL_PREFIX: Final = Field(
    name="full_prefix",
    title=Words("Base URL is complete", "基础地址已含完整前缀"),
    help=Words(
        "Paths such as /chat/completions are appended to the base URL as it is; otherwise /v1 is added where it lacks.",
        "直接在基础地址后追加 /chat/completions 等路径；否则在缺少时自动补上 /v1。",
    ),
    default="false",
    choices=("false", "true"),
)
STREAM_OPTIONS: Final = Field(
    name="stream_options",
    title=Words("Takes stream_options", "支持 stream_options"),
    help=Words(
        "Choose false if the server refuses it: usage is then counted here, unless the server reports it unasked.",
        "如服务端拒绝该参数请选 false：若服务端不主动返回用量，则由网关自行计数。",
    ),
    default="true",
    choices=("true", "false"),
)

DEAR_TIERS: Final = Field(
    name="dear_tiers",
    title=Words("Dearer service tiers", "更贵的服务层级"),
    help=Words(
        "Choose true if clients may ask for service_tier priority, fast or scale: rate cards have no price of their own"
        " for them.",
        "如允许客户端请求 service_tier 为 priority、fast 或 scale 请选 true：价目表没有为它们单独定价。",
    ),
    default="false",
    choices=("false", "true"),
)


def row(
    name: str,
    en: str,
    zh: str,
    profile: Profile,
    *,
    surfaces: frozenset[Surface] = frozenset({"chat"}),
    **members: Any,
) -> ChannelType:
    """Give one vendor's row."""
    defaults: dict[str, Any] = {"native": ALONE, "capabilities": USUAL, "shown_by": SHOWN_BY}
    return ChannelType(
        name=name,
        title=Words(en, zh),
        dialect=OpenAIDialect(profile, surfaces),
        surfaces=surfaces,
        **(defaults | members),
    )
