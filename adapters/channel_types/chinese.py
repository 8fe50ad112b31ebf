"""Channel types of Chinese vendors with a format of their own; their compatible surfaces are in the OpenAI family."""

from typing import Final

from adapters.dialects import coze, dashscope, ernie, hunyuan, spark, zhipu_v3
from domain.relay.channel_type import ChannelType, Field, Words

_TESTS: Final = (
    "tests/adapters/dialects/test_own_dialects.py",
    "tests/adapters/dialects/test_own_wires.py",
    "tests/acceptance/test_every_vendor.py",
)

ROWS: Final[tuple[ChannelType, ...]] = (
    ChannelType(
        name="dashscope",
        title=Words("Alibaba DashScope (native)", "阿里云百炼 DashScope（原生）"),
        dialect=dashscope.DIALECT,
        base_url="https://dashscope.aliyuncs.com",
        number=17,
        aliases=("ali",),
        fields=(
            Field(
                name="workspace",
                title=Words("Workspace", "业务空间"),
                help=Words("Sent as X-DashScope-WorkSpace, if given.", "如填写，将作为 X-DashScope-WorkSpace 发送。"),
            ),
            Field(
                name="plugin",
                title=Words("Plugin", "插件"),
                help=Words("Sent as X-DashScope-Plugin, if given.", "如填写，将作为 X-DashScope-Plugin 发送。"),
            ),
        ),
        surfaces=dashscope.DIALECT.surfaces,
        capabilities=frozenset(
            {"tools", "images", "audio", "json_object", "json_schema", "reasoning", "logprobs", "n", "seed"}
        ),
        models=("qwen-max", "qwen-plus", "qwen-turbo", "qwen-vl-max", "text-embedding-v4", "gte-rerank-v2"),
        probe="chat",
        unverified=(
            "which details of usage each model reports: classes not reported stay plain input and output",
            "how many texts an embedding call takes: the vendor's refusal is passed on",
        ),
        shown_by=_TESTS,
    ),
    ChannelType(
        name="ernie",
        title=Words("Baidu ERNIE (legacy)", "百度文心（旧版）"),
        dialect=ernie.DIALECT,
        base_url="https://aip.baidubce.com",
        number=15,
        aliases=("baidu",),
        key_title=Words("API key and secret", "API Key 与 Secret Key"),
        key_help=Words("API_KEY|SECRET_KEY", "API_KEY|SECRET_KEY"),
        surfaces=ernie.DIALECT.surfaces,
        capabilities=frozenset({"tools", "json_object"}),
        models=("ERNIE-4.0-8K", "ERNIE-3.5-8K", "ERNIE-Speed-8K", "ERNIE-Lite-8K", "Embedding-V1"),
        probe="chat",
        unverified=(
            "which models take tool_choice: it is sent, and a refusal is passed on",
            "which older models leave finish_reason out: it is then told from the flags",
        ),
        shown_by=_TESTS,
    ),
    ChannelType(
        name="spark",
        title=Words("iFlytek Spark (WebSocket)", "讯飞星火（WebSocket）"),
        dialect=spark.DIALECT,
        base_url="wss://spark-api.xf-yun.com",
        number=18,
        aliases=("xunfei",),
        key_title=Words("App id, secret and key", "APPID、APISecret 与 APIKey"),
        key_help=Words("APPID|APISecret|APIKey", "APPID|APISecret|APIKey"),
        surfaces=spark.DIALECT.surfaces,
        capabilities=frozenset({"tools", "images"}),
        inlines_media=True,
        models=("Spark-Lite", "Spark-Pro", "Spark-Max", "Spark-4.0-Ultra"),
        probe="chat",
        unverified=(
            "whether Pro calls functions: they are sent",
            "how results of tools are told: as the user's words, for there is no role for them",
            "reasoning_content over WebSocket: read where it comes",
        ),
        shown_by=_TESTS,
    ),
    ChannelType(
        name="zhipu_v3",
        limits_output=False,
        title=Words("Zhipu v3 (chatglm, retired models)", "智谱 v3（chatglm，旧模型）"),
        dialect=zhipu_v3.DIALECT,
        base_url="https://open.bigmodel.cn",
        key_help=Words("id.secret", "id.secret"),
        surfaces=zhipu_v3.DIALECT.surfaces,
        models=("chatglm_turbo", "chatglm_pro", "chatglm_std", "chatglm_lite"),
        probe="chat",
        unverified=("whether the retired models still answer",),
        shown_by=_TESTS,
    ),
    ChannelType(
        name="hunyuan",
        limits_output=False,
        keeps_stops=True,
        title=Words("Tencent Hunyuan (cloud API)", "腾讯混元（云 API）"),
        dialect=hunyuan.DIALECT,
        base_url="https://hunyuan.tencentcloudapi.com",
        number=23,
        aliases=("tencent",),
        key_title=Words("Secret id and key", "SecretId 与 SecretKey"),
        key_help=Words(
            "SecretId|SecretKey, or AppId|SecretId|SecretKey", "SecretId|SecretKey 或 AppId|SecretId|SecretKey"
        ),
        fields=(
            Field(
                name="region",
                title=Words("Region", "地域"),
                help=Words("Such as ap-guangzhou; images need it.", "例如 ap-guangzhou；图像生成必填。"),
            ),
        ),
        surfaces=hunyuan.DIALECT.surfaces,
        capabilities=frozenset({"tools", "images", "reasoning", "seed"}),
        models=("hunyuan-lite", "hunyuan-turbos-latest", "hunyuan-vision", "hunyuan-embedding"),
        probe="chat",
        unverified=("whether an answer that was cut says `length`: mapped where it comes",),
        shown_by=_TESTS,
    ),
    ChannelType(
        name="coze",
        limits_output=False,
        title=Words("Coze", "扣子 Coze"),
        dialect=coze.DIALECT,
        base_url="https://api.coze.com",
        number=34,
        key_title=Words("Personal access token", "个人访问令牌"),
        key_help=Words("pat_...", "pat_..."),
        fields=(
            Field(
                name="user_id",
                title=Words("User id", "用户标识"),
                help=Words("Told to Coze when the caller names no user.", "调用方未提供 user 时传给扣子。"),
            ),
        ),
        surfaces=coze.DIALECT.surfaces,
        capabilities=frozenset({"images", "files"}),
        models=("bot-<bot id>",),
        unverified=("error codes beyond their pattern: unknown ones are the vendor's fault",),
        shown_by=_TESTS,
    ),
)
