"""The channel type of the vendor inside the process, for a first call without a key."""

from typing import Final

from adapters.dialects.openai.dialect import OpenAIDialect
from domain.relay.channel_type import ChannelType, Words

ROWS: Final = (
    ChannelType(
        name="demo",
        title=Words("Demo (no vendor)", "演示（无供应商）"),
        dialect=OpenAIDialect(),
        base_url="demo://here",
        needs_key=False,
        surfaces=frozenset({"chat", "completions", "embeddings"}),
        native=frozenset({"openai"}),
        capabilities=frozenset({"tools", "images", "json_object", "json_schema", "n"}),
        models=("demo-chat", "demo-embedding"),
        probe="none",
        shown_by=("tests/adapters/test_demo.py", "tests/acceptance/test_openai_sdk.py"),
    ),
)
