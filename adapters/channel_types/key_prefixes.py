"""What a vendor key looks like: how its type is guessed when an operator pastes one."""

from collections.abc import Mapping
from typing import Final

KEY_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "AIza": ("gemini", "gemini_openai"),
    "AKIA": ("bedrock",),
    "ASIA": ("bedrock",),
    "app-": ("dify",),
    "bce-v3/": ("qianfan",),
    "csk-": ("cerebras",),
    "fastgpt-": ("fastgpt",),
    "fw_": ("fireworks",),
    "gsk_": ("groq",),
    "jina_": ("jina",),
    "nvapi-": ("nvidia",),
    "pa-": ("voyage",),
    "pat_": ("coze",),
    "pplx-": ("perplexity",),
    "r8_": ("replicate",),
    "sk-": ("openai", "deepseek", "moonshot", "bailian", "dashscope", "siliconflow", "openai_compatible"),
    "sk-ant-": ("anthropic",),
    "sk-or-": ("openrouter",),
    "sk-proj-": ("openai",),
    "sk-svcacct-": ("openai",),
    "tgp_v1_": ("together",),
    "xai-": ("xai",),
    "{": ("vertex",),
}
"""The types whose keys begin so, the likeliest first. Many vendors issue keys that look like nobody's."""


def types_of_key(start: str) -> tuple[str, ...]:
    """Give the types that a key beginning with `start` may be of, by the longest known prefix; empty if none."""
    start = start.strip()
    known = [prefix for prefix in KEY_PREFIXES if start.startswith(prefix)]
    return KEY_PREFIXES[max(known, key=len)] if known else ()


def prefixes_of(name: str) -> tuple[str, ...]:
    """Give how keys of a type begin, where that is known."""
    return tuple(sorted(prefix for prefix, names in KEY_PREFIXES.items() if name in names))
