"""Chinese vendors that speak OpenAI's dialect."""

from typing import Final

from adapters.channel_types.openai_row import ALL, BOTH, SHOWN_BY, TEXT, TRANSLATED, USUAL, row
from adapters.dialects.openai import minimax, vendors
from adapters.dialects.openai.minimax import MiniMaxDialect
from domain.relay.channel_type import ChannelType, Field, Words

ROWS: Final[tuple[ChannelType, ...]] = (
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
        limits_output=False, models=("<application>",),
        unverified=("the shape of errors in streams: read by their event's name",),
    ),
)  # fmt: skip
