"""Vendors that speak OpenAI's dialect: one row each, the accent in its profile."""

from typing import Any, Final

from adapters.channel_types.openai_self_hosted import ROWS as SELF_HOSTED
from adapters.dialects.openai import minimax, vendors
from adapters.dialects.openai.azure import API_VERSION, AzureDialect
from adapters.dialects.openai.dialect import OpenAIDialect
from adapters.dialects.openai.minimax import MiniMaxDialect
from adapters.dialects.openai.profile import COMPATIBLE, OPENAI, Profile
from domain.relay.call import ClientDialect, Surface
from domain.relay.channel_type import Capability, ChannelType, Field, Words

SHOWN_BY: Final = (
    "tests/adapters/channel_types/test_openai_family.py",
    "tests/adapters/dialects/test_openai_dialect.py",
    "tests/adapters/dialects/test_golden.py",
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


_OPENAI: Final = (
    row(
        "openai",
        "OpenAI",
        "OpenAI",
        OPENAI,
        base_url="https://api.openai.com",
        number=1,
        surfaces=EVERYTHING,
        native=BOTH,
        capabilities=ALL,
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
        ),
        models=("gpt-5.2", "gpt-5-mini", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "gpt-image-1", "whisper-1"),
    ),
    ChannelType(
        name="azure",
        title=Words("Azure OpenAI", "Azure OpenAI"),
        dialect=AzureDialect(EVERYTHING - {"moderations"}),
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
        ),
        surfaces=EVERYTHING - {"moderations"},
        native=BOTH,
        capabilities=ALL,
        models=("<deployment>",),
        unverified=(
            "the exact texts of errors: codes and statuses decide",
            "whether an old api-version takes stream_options: the field turns it off",
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
        surfaces=EVERYTHING | {"rerank"},
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
        surfaces=EVERYTHING | {"rerank"},
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
        models=("grok-4", "grok-3", "grok-3-mini"),
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
        unverified=("the credit in /key: read if it is there",),
    ),
    row(
        "perplexity", "Perplexity", "Perplexity", vendors.PERPLEXITY,
        base_url="https://api.perplexity.ai", native=TRANSLATED, probe="chat",
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

_CHINESE: Final = (
    row(
        "deepseek", "DeepSeek", "深度求索 DeepSeek", vendors.DEEPSEEK,
        base_url="https://api.deepseek.com", number=36,
        capabilities=frozenset({"tools", "json_object", "reasoning", "logprobs"}),
        models=("deepseek-chat", "deepseek-reasoner"),
        unverified=("which thoughts may be given back: those beside tool calls are, others stay behind",),
    ),
    row(
        "moonshot", "Moonshot (Kimi)", "月之暗面 Kimi", vendors.MOONSHOT,
        base_url="https://api.moonshot.cn", number=25, aliases=("kimi",), capabilities=USUAL - {"logprobs"},
        models=("kimi-k2.6", "kimi-k2-thinking", "moonshot-v1-8k", "moonshot-v1-128k"),
        unverified=("usage inside a choice, as old streams had it: read in both places",),
    ),
    row(
        "zhipu", "Zhipu GLM", "智谱 GLM", vendors.ZHIPU,
        base_url="https://open.bigmodel.cn", number=16, aliases=("zai", "glm"), probe="chat",
        surfaces=frozenset({"chat", "embeddings", "images", "speech", "transcriptions", "moderations", "rerank"}),
        capabilities=frozenset({"tools", "images", "json_object", "reasoning", "seed"}),
        key_help=Words("id.secret, sent as it is", "id.secret，原样发送"),
        models=("glm-4.6", "glm-4.5-air", "glm-4.5v", "embedding-3", "cogview-4"),
        unverified=(
            "images as data URLs on newer models: sent as bare base64, which all take",
            "its moderations and rerank",
        ),
    ),
    row(
        "qianfan", "Baidu Qianfan v2", "百度千帆 v2", vendors.QIANFAN,
        base_url="https://qianfan.baidubce.com", number=47, aliases=("baiduv2", "baidu_v2"),
        surfaces=frozenset({"chat", "embeddings", "images", "rerank"}),
        fields=(
            Field(name="appid", title=Words("Application id", "应用 ID"),
                  help=Words("Sent as `appid`, if given.", "如填写，将作为 appid 发送。")),
        ),
        models=("ernie-4.5-turbo-128k", "ernie-x1-turbo-32k", "deepseek-v3"),
        unverified=("spellings of rate limits and unknown models: statuses decide beside them",),
    ),
    row(
        "bailian", "Alibaba Bailian (compatible mode)", "阿里云百炼（兼容模式）", vendors.BAILIAN,
        base_url="https://dashscope.aliyuncs.com", number=49, aliases=("alibailian", "qwen"),
        surfaces=TEXT, native=BOTH, capabilities=ALL - {"files"},
        models=("qwen3-max", "qwen-plus", "qwen-turbo", "qwen-vl-max", "text-embedding-v4"),
    ),
    row(
        "spark_http", "iFlytek Spark (HTTP)", "讯飞星火（HTTP）", vendors.SPARK,
        base_url="https://spark-api-open.xf-yun.com", number=48, aliases=("xunfeiv2", "xunfei_v2"),
        native=TRANSLATED, probe="chat", capabilities=frozenset({"tools", "json_object", "reasoning"}),
        key_title=Words("API password", "APIPassword"),
        key_help=Words("The HTTP password, or APPID|APISecret|APIKey",
                       "HTTP 服务的 APIPassword，或 APPID|APISecret|APIKey"),
        models=("lite", "generalv3.5", "max-32k", "4.0Ultra", "spark-x"),
        unverified=("ranges of the reasoning models under /v2: the vendor's refusal is passed on",),
    ),
    row(
        "hunyuan_compatible", "Tencent Hunyuan (compatible)", "腾讯混元（兼容接口）", vendors.HUNYUAN,
        base_url="https://api.hunyuan.cloud.tencent.com", surfaces=frozenset({"chat", "embeddings"}),
        capabilities=frozenset({"tools", "images", "reasoning", "seed"}),
        models=("hunyuan-turbos-latest", "hunyuan-t1-latest", "hunyuan-vision", "hunyuan-embedding"),
    ),
    row(
        "doubao", "Volcengine Ark (Doubao)", "火山方舟（豆包）", vendors.DOUBAO,
        base_url="https://ark.cn-beijing.volces.com", number=40, aliases=("ark", "volcengine"),
        surfaces=frozenset({"chat", "embeddings", "images"}), native=BOTH, probe="chat",
        models=("doubao-seed-1-6", "doubao-seedream-4-0", "doubao-embedding", "ep-<endpoint>"),
        unverified=("spellings of errors other than AccountOverdueError: statuses decide beside them",),
    ),
    row(
        "baichuan", "Baichuan", "百川", vendors.BAICHUAN,
        base_url="https://api.baichuan-ai.com", number=26, probe="chat", surfaces=frozenset({"chat", "embeddings"}),
        capabilities=frozenset({"tools", "json_object"}),
        models=("Baichuan4-Turbo", "Baichuan4-Air", "Baichuan-M2", "Baichuan-Text-Embedding"),
        unverified=("where its streams report usage: every place is read",),
    ),
    ChannelType(
        name="minimax", title=Words("MiniMax", "MiniMax"), dialect=MiniMaxDialect(vendors.MINIMAX),
        base_url="https://api.minimaxi.com", number=27, surfaces=minimax.SURFACES, probe="chat",
        capabilities=frozenset({"tools", "json_schema", "reasoning"}),
        key_help=Words("The key, or key|group id", "密钥，或 密钥|GroupId"),
        models=("MiniMax-M2", "MiniMax-M2.5", "MiniMax-Text-01", "embo-01", "speech-2.5-hd-preview"),
        unverified=("whether the last event repeats the message, and whether the end mark comes: both are borne",),
        shown_by=(*SHOWN_BY, "tests/adapters/dialects/test_minimax.py"),
    ),
    row(
        "zhinao", "360 Zhinao", "360 智脑", vendors.ZHINAO,
        base_url="https://ai.360.cn", number=19, aliases=("360", "ai360"), surfaces=frozenset({"chat", "embeddings"}),
        capabilities=frozenset({"tools"}), probe="chat", models=("360gpt-turbo", "360gpt2-pro", "embedding_s1_v1"),
        unverified=("usage in streams", "the shape of its errors: statuses decide"),
    ),
    row(
        "lingyiwanwu", "01.AI (Yi)", "零一万物", vendors.YI,
        base_url="https://api.lingyiwanwu.com", number=31, aliases=("01ai", "yi"),
        capabilities=frozenset({"tools", "images"}), models=("yi-lightning", "yi-large", "yi-vision"),
        unverified=("usage in streams", "whether the platform still serves every model"),
    ),
    row(
        "stepfun", "StepFun", "阶跃星辰", vendors.STEPFUN,
        base_url="https://api.stepfun.com", number=32, surfaces=frozenset({"chat", "images", "speech"}),
        models=("step-3", "step-2-16k", "step-1v-8k", "step-1x-medium"),
        unverified=("the name of its thoughts: both are read", "spellings of its errors: statuses decide"),
    ),
    row(
        "siliconflow", "SiliconFlow", "硅基流动", vendors.SILICONFLOW,
        base_url="https://api.siliconflow.cn", number=44,
        surfaces=frozenset({"chat", "completions", "embeddings", "images", "speech", "transcriptions", "rerank"}),
        models=("deepseek-ai/DeepSeek-V3", "Qwen/Qwen3-235B-A22B", "BAAI/bge-m3", "BAAI/bge-reranker-v2-m3"),
        unverified=("usage in every chunk: the last one counts",),
    ),
    row(
        "novita", "Novita AI", "Novita AI", vendors.NOVITA,
        base_url="https://api.novita.ai/v3/openai", number=41, surfaces=TEXT,
        models=("deepseek/deepseek-v3", "meta-llama/llama-3.3-70b-instruct"),
        unverified=("the shape of its errors: both are read",),
    ),
    row(
        "fastgpt", "FastGPT", "FastGPT", vendors.FASTGPT,
        base_url="https://api.fastgpt.in/api", number=22, native=TRANSLATED, probe="chat",
        capabilities=frozenset({"images"}), key_title=Words("Application key", "应用密钥"),
        key_help=Words("fastgpt-..., of the application, not of the account", "fastgpt-...，须为应用密钥而非账户密钥"),
        models=("<application>",), unverified=("the shape of errors in streams: read by their event's name",),
    ),
)  # fmt: skip

ROWS: Final[tuple[ChannelType, ...]] = (*_OPENAI, *_RESELLERS, *_WORLDWIDE, *_CHINESE, *SELF_HOSTED)
