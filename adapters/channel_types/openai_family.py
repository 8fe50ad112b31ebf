"""Vendors that speak OpenAI's dialect: one row each, the accent in its profile."""

from typing import Final

from adapters.channel_types.openai_chinese import ROWS as CHINESE
from adapters.channel_types.openai_row import (
    ALL,
    BOTH,
    CONVERSING,
    DEAR_TIERS,
    FULL_PREFIX,
    SHOWN_BY,
    STREAM_OPTIONS,
    TEXT,
    TRANSLATED,
    USUAL,
    row,
)
from adapters.channel_types.openai_self_hosted import ROWS as SELF_HOSTED
from adapters.dialects.openai import vendors
from adapters.dialects.openai.azure import API_VERSION, AzureDialect
from adapters.dialects.openai.profile import COMPATIBLE, OPENAI, Profile
from domain.relay.channel_type import ChannelType, Field, Words

_OPENAI: Final = (
    row(
        "openai",
        "OpenAI",
        "OpenAI",
        OPENAI,
        base_url="https://api.openai.com",
        number=1,
        surfaces=CONVERSING,
        native=BOTH,
        capabilities=ALL,
        searches="asked",
        fields=(
            Field(
                name="organization",
                title=Words("Organization", "组织"),
                help=Words("Sent as OpenAI-Organization, if given.", "如填写，将作为 OpenAI-Organization 发送。"),
            ),
            Field(
                name="project",
                title=Words("Project", "项目"),
                help=Words("Sent as OpenAI-Project, if given.", "如填写，将作为 OpenAI-Project 发送。"),
            ),
            DEAR_TIERS,
        ),
        models=(
            "gpt-5.2",
            "gpt-5-mini",
            "gpt-4o",
            "gpt-4o-mini",
            "text-embedding-3-small",
            "gpt-image-1",
            "whisper-1",
            "gpt-realtime",
        ),
    ),
    ChannelType(
        name="azure",
        title=Words("Azure OpenAI", "Azure OpenAI"),
        dialect=AzureDialect(CONVERSING - {"moderations"}),
        searches="asked",
        number=3,
        aliases=("azure_openai", "azure-openai"),
        key_help=Words(
            "The resource's key; with Entra ID a token, or tenant|client id|client secret.",
            "资源密钥；使用 Entra ID 时填写令牌，或 租户|客户端 ID|客户端密钥。",
        ),
        fields=(
            Field(
                name="api",
                title=Words("API", "接口"),
                help=Words(
                    "classic addresses each deployment by its path; v1 names it in the body.",
                    "classic 以路径区分部署；v1 在请求体中指定部署。",
                ),
                default="classic",
                choices=("classic", "v1"),
            ),
            Field(
                name="api_version",
                title=Words("API version", "API 版本"),
                help=Words(
                    f"Such as {API_VERSION}, which is taken if nothing is given here; v1 needs none.",
                    f"例如 {API_VERSION}（未填写时使用）；v1 可不填。",
                ),
            ),
            Field(
                name="auth",
                title=Words("Credential", "凭据"),
                help=Words("The resource's key, or Entra ID.", "资源密钥或 Entra ID。"),
                default="key",
                choices=("key", "entra"),
            ),
            Field(
                name="strip_dots",
                title=Words("Drop dots from deployment names", "去掉部署名中的点"),
                help=Words(
                    "For old resources, whose deployments cannot have dots: gpt-3.5-turbo becomes gpt-35-turbo.",
                    "用于旧资源（部署名不能含点）：gpt-3.5-turbo 变为 gpt-35-turbo。",
                ),
                default="false",
                choices=("false", "true"),
            ),
            STREAM_OPTIONS,
            DEAR_TIERS,
        ),
        surfaces=CONVERSING - {"moderations"},
        native=BOTH,
        capabilities=ALL,
        models=("<deployment>",),
        unverified=(
            "the exact texts of errors: codes and statuses decide",
            "whether an old api-version takes stream_options: the field turns it off",
            "where conversations are in each api-version: below /openai/realtime by deployment, by model with v1",
        ),
        shown_by=SHOWN_BY,
    ),
    row(
        "openai_compatible",
        "OpenAI-compatible (complete base URL)",
        "OpenAI 兼容（完整前缀）",
        Profile(prefix="", media=COMPATIBLE.media),
        number=50,
        aliases=("openai-compatible", "openaicompatible"),
        surfaces=CONVERSING | {"rerank"},
        capabilities=ALL,
        needs_key=False,
        fields=(STREAM_OPTIONS,),
        unverified=("everything: the vendor judges what it is sent",),
    ),
    row(
        "custom",
        "OpenAI-compatible",
        "自定义（OpenAI 兼容）",
        COMPATIBLE,
        number=8,
        aliases=("generic",),
        surfaces=CONVERSING | {"rerank"},
        capabilities=ALL,
        needs_key=False,
        fields=(FULL_PREFIX, STREAM_OPTIONS),
        unverified=("everything: the vendor judges what it is sent",),
    ),
)

_RESELLERS: Final = tuple(
    row(name, title, title, COMPATIBLE, base_url=base, number=number, surfaces=TEXT, fields=(FULL_PREFIX,),
        unverified=("whether the reseller still serves",))
    for name, title, number, base in (
        ("api2d", "API2D", 2, "https://oa.api2d.net"),
        ("closeai", "CloseAI", 4, "https://api.closeai-proxy.xyz"),
        ("openai_sb", "OpenAI-SB", 5, "https://api.openai-sb.com"),
        ("openaimax", "OpenAIMax", 6, "https://api.openaimax.com"),
        ("ohmygpt", "OhMyGPT", 7, "https://api.ohmygpt.com"),
        ("ails", "AILS", 9, "https://api.caipacity.com"),
        ("aiproxy_openai", "AI Proxy (OpenAI)", 10, "https://api.aiproxy.io"),
        ("api2gpt", "API2GPT", 12, "https://api.api2gpt.com"),
        ("aigc2d", "AIGC2D", 13, "https://api.aigc2d.com"),
    )
)  # fmt: skip

_WORLDWIDE: Final = (
    row(
        "mistral", "Mistral AI", "Mistral AI", vendors.MISTRAL,
        base_url="https://api.mistral.ai", number=28, aliases=("mistralai",),
        surfaces=frozenset({"chat", "embeddings", "transcriptions", "moderations"}),
        capabilities=USUAL - {"logprobs"},
        models=("mistral-large-latest", "mistral-small-latest", "magistral-medium-latest", "mistral-embed"),
        unverified=("whether a tool's result may be followed by a user's message: it is sent as it came",),
    ),
    row(
        "groq", "Groq", "Groq", vendors.GROQ,
        base_url="https://api.groq.com/openai", number=29,
        surfaces=frozenset({"chat", "transcriptions", "translations", "speech"}),
        capabilities=USUAL - {"logprobs", "n"},
        models=("llama-3.3-70b-versatile", "openai/gpt-oss-120b", "whisper-large-v3"),
    ),
    row(
        "together", "Together AI", "Together AI", vendors.TOGETHER,
        base_url="https://api.together.xyz", number=39, aliases=("together.ai", "togetherai"),
        surfaces=TEXT | {"images", "speech", "rerank"},
        models=("meta-llama/Llama-3.3-70B-Instruct-Turbo", "deepseek-ai/DeepSeek-V3"),
    ),
    row(
        "xai", "xAI", "xAI", vendors.XAI,
        base_url="https://api.x.ai", number=45, surfaces=frozenset({"chat", "images"}), native=BOTH,
        models=("grok-4", "grok-3", "grok-3-mini"), searches="reported",
        unverified=("the status of a blocked or empty account (403): read as our own credential",),
    ),
    row(
        "openrouter", "OpenRouter", "OpenRouter", vendors.OPENROUTER,
        base_url="https://openrouter.ai/api", number=20, surfaces=frozenset({"chat", "completions", "embeddings"}),
        capabilities=ALL,
        fields=(
            Field(name="site_url", title=Words("Site address", "站点地址"),
                  help=Words("Sent as HTTP-Referer, if given.", "如填写，将作为 HTTP-Referer 发送。")),
            Field(name="site_name", title=Words("Site name", "站点名称"),
                  help=Words("Sent as X-Title, if given.", "如填写，将作为 X-Title 发送。")),
        ),
        models=("openai/gpt-4o", "anthropic/claude-sonnet-4.5", "google/gemini-2.5-pro"),
        unverified=(
            "the credit in /key: read if it is there",
            "for how long a cache write is kept: charged as for minutes unless the report says that it is for an hour",
        ),
    ),
    row(
        "perplexity", "Perplexity", "Perplexity", vendors.PERPLEXITY,
        base_url="https://api.perplexity.ai", native=TRANSLATED, probe="chat", searches="included",
        surfaces=frozenset({"chat", "embeddings"}), capabilities=frozenset({"images", "json_schema", "reasoning"}),
        models=("sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research"),
        unverified=(
            "whether `stop` is taken: refused or dropped",
            "whether thoughts still come between tags: read both ways",
        ),
    ),
    row(
        "fireworks", "Fireworks AI", "Fireworks AI", vendors.FIREWORKS,
        base_url="https://api.fireworks.ai/inference", surfaces=TEXT,
        models=("accounts/fireworks/models/deepseek-v3", "accounts/fireworks/models/llama-v3p3-70b-instruct"),
        unverified=("whether long answers must be streamed: the vendor's refusal is passed on",),
    ),
    row(
        "cerebras", "Cerebras", "Cerebras", vendors.CEREBRAS,
        base_url="https://api.cerebras.ai", capabilities=USUAL - {"n", "images"},
        models=("llama-3.3-70b", "gpt-oss-120b", "qwen-3-32b"),
        unverified=("the spellings of its error codes: statuses decide",),
    ),
    row(
        "nvidia", "NVIDIA NIM", "NVIDIA NIM", vendors.NVIDIA,
        base_url="https://integrate.api.nvidia.com", aliases=("nim",), surfaces=frozenset({"chat", "embeddings"}),
        models=("meta/llama-3.3-70b-instruct", "nvidia/nv-embedqa-e5-v5"),
        unverified=("answers of status 202 that are to be polled: read as errors",),
    ),
    row(
        "gemini_openai", "Google Gemini (OpenAI surface)", "Google Gemini（OpenAI 兼容）", vendors.GEMINI,
        base_url="https://generativelanguage.googleapis.com/v1beta/openai", number=51, aliases=("geminiv2",),
        surfaces=frozenset({"chat", "embeddings", "images"}), capabilities=ALL - {"logprobs"},
        models=("gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001"),
        unverified=("errors as an array of one: read both ways",),
    ),
    row(
        "cloudflare", "Cloudflare Workers AI", "Cloudflare Workers AI", vendors.CLOUDFLARE,
        base_url="https://api.cloudflare.com", number=37, native=TRANSLATED, probe="chat",
        surfaces=frozenset({"chat", "embeddings"}), capabilities=frozenset({"tools", "images", "json_schema", "seed"}),
        fields=(
            Field(name="account_id", title=Words("Account id", "账户 ID"),
                  help=Words("The Cloudflare account, unless the base URL names it.",
                             "Cloudflare 账户 ID；若基础地址已包含则可不填。")),
            Field(name="gateway_token", title=Words("AI Gateway token", "AI Gateway 令牌"),
                  help=Words("Bearer ..., for a gateway that asks for it.",
                             "Bearer ...，仅在网关要求时填写。")),
        ),
        models=("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "@cf/baai/bge-m3"),
        unverified=("the codes for exhausted allocations and missing models: statuses decide beside them",),
    ),
)  # fmt: skip

ROWS: Final[tuple[ChannelType, ...]] = (*_OPENAI, *_RESELLERS, *_WORLDWIDE, *CHINESE, *SELF_HOSTED)
