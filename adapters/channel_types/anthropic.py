"""Channel types of Anthropic's own interface."""

from typing import Final

from adapters.dialects import anthropic
from domain.relay.channel_type import ChannelType, Field, Words

ROWS: Final[tuple[ChannelType, ...]] = (
    ChannelType(
        name="anthropic",
        title=Words("Anthropic Claude", "Anthropic Claude"),
        dialect=anthropic.DIALECT,
        base_url="https://api.anthropic.com",
        number=14,
        aliases=("claude",),
        key_help=Words("sk-ant-...", "sk-ant-..."),
        fields=(
            Field(
                name="betas",
                title=Words("Beta features", "测试版功能"),
                help=Words(
                    "Names for the header anthropic-beta, separated by commas; those of a client are added.",
                    "写入 anthropic-beta 请求头的名称，以逗号分隔；客户端自带的会合并。",
                ),
            ),
            Field(
                name="api_version",
                title=Words("API version", "API 版本"),
                help=Words(
                    "The header anthropic-version where a client sends none; empty for 2023-06-01.",
                    "客户端未提供时使用的 anthropic-version；留空为 2023-06-01。",
                ),
            ),
        ),
        surfaces=anthropic.DIALECT.surfaces,
        native=frozenset({"anthropic"}),
        searches="reported",
        capabilities=frozenset({"tools", "images", "files", "json_object", "json_schema", "reasoning"}),
        models=("claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5"),
        unverified=(
            "the size above which a request is refused with 413: any size is passed on, and the refusal told",
            "which models take a schema, a budget or sampling settings: the model's name tells, else the refusal",
            "answers under a later anthropic-version than 2023-06-01: events that are not known are passed over",
        ),
        shown_by=(
            "tests/adapters/dialects/test_anthropic.py",
            "tests/adapters/surfaces/test_anthropic.py",
            "tests/acceptance/test_every_vendor.py",
        ),
    ),
)
