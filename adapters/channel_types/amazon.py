"""Channel types of Amazon: Bedrock."""

from typing import Final

from adapters.dialects import bedrock
from domain.relay.channel_type import ChannelType, Field, Words

ROWS: Final[tuple[ChannelType, ...]] = (
    ChannelType(
        name="bedrock",
        title=Words("AWS Bedrock", "AWS Bedrock"),
        dialect=bedrock.DIALECT,
        base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
        number=33,
        aliases=("aws", "awsclaude"),
        key_help=Words(
            "AccessKeyId|SecretAccessKey, then |region|session token if wanted; or a Bedrock API key, then |region.",
            "AccessKeyId|SecretAccessKey，可再加 |区域 和 |会话令牌；或 Bedrock API 密钥，可再加 |区域。",
        ),
        fields=(
            Field(
                name="region",
                title=Words("Region", "区域"),
                help=Words(
                    "Such as eu-central-1; a region in the key comes first, the address's own last.",
                    "例如 eu-central-1；优先使用密钥中的区域，最后才是地址中的区域。",
                ),
            ),
        ),
        surfaces=bedrock.DIALECT.surfaces,
        capabilities=frozenset({"tools", "images", "audio", "files", "json_object", "json_schema", "reasoning"}),
        inlines_media=True,
        models=(
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "amazon.nova-pro-v1:0",
            "amazon.titan-embed-text-v2:0",
            "cohere.embed-v4:0",
        ),
        probe="chat",
        unverified=(
            "whether totalTokens holds what came from the cache: both sums are taken for right",
            "the header that counts the tokens of Cohere's vectors: without it our own count holds",
            "which models take a schema or media: what the vendor refuses is told to the client",
        ),
        shown_by=(
            "tests/adapters/dialects/test_bedrock.py",
            "tests/adapters/test_aws_event_stream.py",
            "tests/acceptance/test_every_vendor.py",
        ),
    ),
)
