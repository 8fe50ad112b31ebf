"""Channel types of Google: AI Studio's Gemini, Vertex AI, and PaLM, which is no more."""

from typing import Final

from adapters.dialects import gemini, palm, vertex
from adapters.wire.gemini import SAFETY_THRESHOLDS
from domain.relay.channel_type import Capability, ChannelType, Field, Words

_SAFETY: Final = Field(
    name="safety",
    title=Words("Safety threshold", "安全阈值"),
    help=Words(
        "Said for every category of harm where a client says none; empty for Google's own.",
        "客户端未指定时用于所有危害类别；留空则使用 Google 的默认值。",
    ),
    choices=("", *SAFETY_THRESHOLDS),
)
_CAPABILITIES: Final[frozenset[Capability]] = frozenset(
    {"tools", "images", "audio", "files", "json_object", "json_schema", "reasoning", "logprobs", "n", "seed"}
)

ROWS: Final[tuple[ChannelType, ...]] = (
    ChannelType(
        name="gemini",
        searches="reported",
        title=Words("Google Gemini", "Google Gemini"),
        dialect=gemini.DIALECT,
        base_url="https://generativelanguage.googleapis.com",
        number=24,
        key_help=Words("AIza...", "AIza..."),
        fields=(
            _SAFETY,
            Field(
                name="api_version",
                title=Words("API version", "API 版本"),
                help=Words("Empty for v1beta.", "留空为 v1beta。"),
            ),
        ),
        surfaces=gemini.DIALECT.surfaces,
        native=frozenset({"gemini"}),
        capabilities=_CAPABILITIES,
        inlines_media=True,
        models=("gemini-3-pro-preview", "gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001", "imagen-4.0"),
        unverified=(
            "how an error in mid-stream is framed: events, bare lines and a list of one are read",
            "whether vectors come with a count of tokens: without one our own count holds",
        ),
        shown_by=(
            "tests/adapters/dialects/test_gemini.py",
            "tests/adapters/surfaces/test_gemini.py",
            "tests/acceptance/test_every_vendor.py",
        ),
    ),
    ChannelType(
        name="vertex",
        searches="reported",
        title=Words("Google Vertex AI", "Google Vertex AI"),
        dialect=vertex.DIALECT,
        base_url="https://aiplatform.googleapis.com",
        number=42,
        aliases=("vertexai",),
        key_title=Words("Service account (JSON)", "服务账号（JSON）"),
        key_help=Words(
            "The whole JSON file of a service account, or an API key of express mode.",
            "服务账号的完整 JSON 文件内容，或快速模式的 API 密钥。",
        ),
        fields=(
            Field(
                name="location",
                title=Words("Location", "区域"),
                help=Words("Such as us-central1, eu or global.", "例如 us-central1、eu 或 global。"),
                default=vertex.LOCATION,
            ),
            Field(
                name="project",
                title=Words("Project", "项目"),
                help=Words("Empty for the service account's own.", "留空则使用服务账号所属的项目。"),
            ),
            _SAFETY,
            Field(
                name="betas",
                title=Words("Beta features of Claude", "Claude 测试版功能"),
                help=Words(
                    "Names for the header anthropic-beta, separated by commas.",
                    "写入 anthropic-beta 请求头的名称，以逗号分隔。",
                ),
            ),
            Field(
                name="anthropic_version",
                title=Words("Version of Claude's API", "Claude API 版本"),
                help=Words("Empty for vertex-2023-10-16.", "留空为 vertex-2023-10-16。"),
            ),
        ),
        surfaces=vertex.DIALECT.surfaces,
        capabilities=_CAPABILITIES,
        inlines_media=True,
        models=("gemini-2.5-pro", "gemini-2.5-flash", "claude-sonnet-4-5@20250929", "text-embedding-005"),
        probe="chat",
        unverified=(
            "how many texts newer embedding models take per call: all are sent at once, and a refusal is told",
            "the version that Claude's API wants in the body: the one long known, unless the channel says another",
        ),
        shown_by=("tests/adapters/dialects/test_vertex.py", "tests/acceptance/test_every_vendor.py"),
    ),
    ChannelType(
        name="palm",
        title=Words("Google PaLM", "Google PaLM"),
        dialect=palm.DIALECT,
        base_url="https://generativelanguage.googleapis.com",
        number=11,
        probe="none",
        retired=Words(
            palm.RETIRED, "Google 已关闭 PaLM API：请改用 Google Gemini 类型的渠道和 gemini-2.5-flash 等模型。"
        ),
        unverified=("the day on which Google shut it down",),
        shown_by=("tests/adapters/dialects/test_vertex.py",),
    ),
)
