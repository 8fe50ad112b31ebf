"""The profiles of the vendors that speak OpenAI's dialect with an accent."""

from typing import Final

from adapters.dialects.openai.profile import Profile, Range
from domain.relay.chat import MediaKind
from domain.relay.vendor_errors import Kind

_ANY_MEDIA: Final[frozenset[MediaKind]] = frozenset({"image", "audio", "video", "file"})
_PLAIN_FORMATS: Final = frozenset({"text", "json_object"})
_LOGPROBS: Final = frozenset({"logprobs", "top_logprobs"})
_PENALTIES: Final = frozenset({"presence_penalty", "frequency_penalty"})
_TOOLS: Final = frozenset({"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"})


def _kinds(**codes: str) -> dict[str, Kind]:
    """Give what codes mean: one word of codes per kind."""
    kinds: dict[str, Kind] = {}
    for kind, listed in codes.items():
        for code in listed.split():
            kinds[code] = kind  # type: ignore[assignment]  # the keywords below are kinds
    return kinds


# ---- Worldwide

MISTRAL: Final = Profile(
    cannot=frozenset({"logit_bias", "service_tier", "verbosity", "modalities", "audio", "web_search_options", "top_k"})
    | _LOGPROBS,
    ignores=frozenset({"user", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}),
    renamed={"seed": "random_seed"},
    output_limit_field="max_tokens",
    output_limit_only=True,
    takes_stream_options=False,
    short_tool_ids=True,
    is_strict=True,
    reasoning_back="",
    packs_vectors=False,
    dimensions_field="output_dimension",
)
GROQ: Final = Profile(
    prefix="/openai/v1",
    cannot=frozenset({"logit_bias"}) | _LOGPROBS,
    choices_max=1,
    takes_names=False,
    is_strict=True,
    reasoning_back="reasoning",
)
TOGETHER: Final = Profile(output_limit_field="max_tokens", output_limit_only=True, media=_ANY_MEDIA)
XAI: Final = Profile(efforts=("low", "medium", "high"), media=_ANY_MEDIA)
OPENROUTER: Final = Profile(
    prefix="/api/v1",
    option_headers={"site_url": "HTTP-Referer", "site_name": "X-Title"},
    # Its own fallbacks would answer by a model other than the one that is charged.
    cannot=frozenset({"models", "route"}),
    thinking="reasoning",
    reasoning_back="reasoning",
    keeps_reasoning_details=True,
    takes_cache_control=True,
    media=_ANY_MEDIA,
    balance_path="/key",
    balance_places=(("data.limit_remaining", "USD"),),
)
PERPLEXITY: Final = Profile(
    prefix="",
    cannot=_TOOLS | _LOGPROBS | {"seed", "n", "logit_bias", "stop", "reasoning_effort"},
    formats=frozenset({"text", "json_schema"}),
    thinking="none",
    output_limit_field="max_tokens",
    takes_stream_options=False,
    alternates=True,
    takes_names=False,
    reasoning_back="",
    think_tags=True,
    models_path="",
)
FIREWORKS: Final = Profile(prefix="/inference/v1", media=_ANY_MEDIA)
CEREBRAS: Final = Profile(
    cannot=_PENALTIES | {"logit_bias", "service_tier"},
    choices_max=1,
    reasoning_back="reasoning",
)
NVIDIA: Final = Profile(output_limit_field="max_tokens", media=_ANY_MEDIA, packs_vectors=False)
GEMINI: Final = Profile(
    prefix="/v1beta/openai", cannot=frozenset({"logit_bias"}), keeps_signatures=True, media=_ANY_MEDIA
)
CLOUDFLARE: Final = Profile(
    prefix="/client/v4/accounts/{account_id}/ai/v1",
    option_headers={"gateway_token": "cf-aig-authorization"},
    output_limit_field="max_tokens",
    output_limit_only=True,
    # Without a limit answers end after 256 tokens.
    extra={"max_tokens": 2048},
    needs_finish=False,
    models_path="",
    error_kinds=_kinds(auth="10000 10001 7003 7000 9109", not_found="5007", quota="3036 4006", rate_limit="3040"),
)

# ---- China

DEEPSEEK: Final = Profile(
    prefix="",
    cannot=frozenset({"seed", "n", "logit_bias", "top_k", "service_tier"}),
    formats=_PLAIN_FORMATS,
    strict_tools=False,
    thinking="thinking",
    output_limit_field="max_tokens",
    output_limit_only=True,
    reasoning_back="after_tools",
    balance_path="/user/balance",
    balance_places=(("balance_infos.0.total_balance", "balance_infos.0.currency"),),
)
MOONSHOT: Final = Profile(
    cannot=frozenset({"functions", "function_call", "logit_bias"}) | _LOGPROBS,
    ranges={"temperature": Range(0, 1)},
    tool_choices=frozenset({"auto", "none", "named"}),
    output_limit_field="max_tokens",
    thinking="thinking",
    joins_text=True,
    media=_ANY_MEDIA,
    balance_path="/users/me/balance",
    balance_places=(("data.available_balance", "CNY"),),
)
ZHIPU: Final = Profile(
    prefix="/api/paas/v4",
    cannot=_LOGPROBS | _PENALTIES | {"n", "logit_bias", "parallel_tool_calls", "service_tier", "modalities", "audio"},
    # Its own name for `user` takes 6 characters at least, so that a hint could be the end of a call.
    ignores=frozenset({"user", "store", "metadata"}),
    ranges={"temperature": Range(0.01, 0.99, 0.01), "top_p": Range(0.01, 0.99, 0.01)},
    stops_max=1,
    tool_choices=frozenset({"auto"}),
    formats=_PLAIN_FORMATS,
    strict_tools=False,
    thinking="thinking",
    output_limit_field="max_tokens",
    output_limit_only=True,
    takes_stream_options=False,
    raw_image_data=True,
    media=_ANY_MEDIA,
    error_kinds=_kinds(
        auth="1000 1001 1002 1003 1004 1111 1110 1112 1121 1220 1311",
        quota="1113 1304 1308 1309 1310",
        overloaded="1120 1234 1312",
        bad_request="1210 1212 1213 1214 1215 1231 1300 1261",
        content="1301",
        not_found="1211 1221 1222",
        rate_limit="1302 1303 1305 1313",
        server="500 1200 1230",
    ),
)
QIANFAN: Final = Profile(
    prefix="/v2",
    option_headers={"appid": "appid"},
    thinking="enable_thinking",
    media=_ANY_MEDIA,
    error_kinds=_kinds(
        auth="invalid_iam_token",
        rate_limit="rpm_rate_limit_exceeded tpm_rate_limit_exceeded",
        not_found="invalid_model",
    ),
)
BAILIAN: Final = Profile(
    prefix="/compatible-mode/v1",
    ranges={"temperature": Range(0, 1.99, 0.01), "top_p": Range(0.01, 1, 0.01)},
    thinking="enable_thinking",
    output_limit_field="max_tokens",
    media=_ANY_MEDIA,
    error_kinds=_kinds(
        quota="arrearage allocationquota prepaidbilloverdue postpaidbilloverdue commoditynotpurchased",
        rate_limit="limitrequests throttling",
    ),
)
SPARK: Final = Profile(
    key_separator="|",
    key_format="{2}:{1}",
    cannot=_LOGPROBS | {"stop", "seed", "n", "logit_bias", "parallel_tool_calls", "service_tier"},
    formats=_PLAIN_FORMATS,
    strict_tools=False,
    thinking="thinking",
    output_limit_field="max_tokens",
    output_limit_only=True,
    takes_stream_options=False,
    # Without it several calls come as one object.
    extra={"tool_calls_switch": True},
    needs_finish=False,
    models_path="",
    error_kinds=_kinds(
        bad_request="10003 10004 10005 10163 10907",
        rate_limit="10006 10007 11202 11203",
        overloaded="10008 10110",
        server="10009 10010 10011 10012 10222 10000 10001 10002",
        content="10013 10014 10019",
        auth="10015 10016 10017 11200 11221 10313",
        quota="11201",
    ),
)
HUNYUAN: Final = Profile(
    thinking="enable_thinking",
    output_limit_field="max_tokens",
    media=_ANY_MEDIA,
    error_kinds=_kinds(
        auth="authfailure unauthorizedoperation",
        rate_limit="requestlimitexceeded limitexceeded",
        content="operationdenied",
        bad_request="invalidparameter invalidparametervalue",
        server="internalerror",
    ),
)
DOUBAO: Final = Profile(
    prefix="/api/v3", efforts=("minimal", "low", "medium", "high"), media=_ANY_MEDIA, output_limit_field="max_tokens"
)
BAICHUAN: Final = Profile(
    cannot=frozenset({"logit_bias", "seed"}) | _LOGPROBS,
    ranges={"temperature": Range(0, 1)},
    output_limit_field="max_tokens",
    output_limit_only=True,
    packs_vectors=False,
)
MINIMAX: Final = Profile(
    paths={"chat": "/text/chatcompletion_v2"},
    key_separator="|",
    key_format="{0}",
    cannot=_LOGPROBS | {"logit_bias", "n", "seed", "parallel_tool_calls", "service_tier", "reasoning_effort"},
    ignores=frozenset({"user", "store", "metadata"}),
    ranges={"temperature": Range(0.01, 1, 0.01)},
    tool_choices=frozenset({"auto", "none"}),
    thinking="none",
    output_limit_field="max_tokens",
    output_limit_only=True,
    think_tags=True,
    message_ends_stream=True,
    models_path="",
    error_kinds=_kinds(
        server="1000 1013 1024 1033",
        timeout="1001",
        rate_limit="1002 1041 2056 1039",
        auth="1004 2049",
        quota="1008",
        content="1026 1027",
        bad_request="1042 2013",
    ),
)
ZHINAO: Final = Profile(output_limit_field="max_tokens", media=_ANY_MEDIA)
YI: Final = Profile(output_limit_field="max_tokens", media=_ANY_MEDIA)
STEPFUN: Final = Profile(choices_max=5, output_limit_field="max_tokens", media=_ANY_MEDIA)
SILICONFLOW: Final = Profile(
    thinking="enable_thinking",
    output_limit_field="max_tokens",
    audio_by_url=True,
    image_fields={"size": "image_size", "n": "batch_size"},
    media=_ANY_MEDIA,
    balance_path="/user/info",
    balance_places=(("data.totalBalance", "CNY"),),
)
NOVITA: Final = Profile(prefix="/v3/openai", output_limit_field="max_tokens", media=_ANY_MEDIA)
FASTGPT: Final = Profile(
    prefix="/api/v1",
    # An application decides everything but the words itself.
    cannot=_TOOLS
    | _LOGPROBS
    | _PENALTIES
    | {"temperature", "top_p", "n", "seed", "stop", "logit_bias", "response_format", "reasoning_effort"},
    formats=frozenset({"text", "json_object", "json_schema"}),
    thinking="none",
    takes_stream_options=False,
    extra={"detail": False},
    # It always says 1 + 1.
    believes_usage=False,
    events=frozenset({b"answer", b"fastAnswer"}),
    needs_finish=False,
    models_path="",
)

# ---- Self-hosted

VLLM: Final = Profile(takes_token_ids=True, media=_ANY_MEDIA, output_limit_field="max_tokens")
LM_STUDIO: Final = Profile(
    formats=frozenset({"text", "json_schema"}), output_limit_field="max_tokens", packs_vectors=False
)
LLAMA_CPP: Final = Profile(output_limit_field="max_tokens")
XINFERENCE: Final = Profile(output_limit_field="max_tokens", media=_ANY_MEDIA)
OLLAMA: Final = Profile(
    cannot=frozenset({"logit_bias"}),
    choices_max=1,
    tool_choices=frozenset({"auto", "none"}),
    output_limit_field="max_tokens",
    media=frozenset({"image"}),
)
