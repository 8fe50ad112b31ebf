"""What Anthropic's models take, told from their names: the API has no other way to say so before a call.

Source: the vendor's SDKs, and what gateways have learned from refusals. A name that tells nothing is taken for a model
of generation 4.5, which takes the most.
"""

import re
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?!\d)")
_UNKNOWN: Final = (4, 5)


class ClaudeModel(NamedTuple):
    """One model's abilities."""

    version: tuple[int, int]
    family: str = ""
    is_known: bool = True

    @property
    def thinks(self) -> bool:
        """Whether it can think before it answers."""
        return self.version >= (3, 7)

    @property
    def is_adaptive(self) -> bool:
        """Whether it decides by itself how much to think, guided by a word for effort."""
        return self.version >= (4, 6)

    @property
    def takes_budget(self) -> bool:
        """Whether the tokens to think with can be said."""
        return (3, 7) <= self.version < (4, 7)

    @property
    def takes_sampling(self) -> bool:
        """Whether temperature, top_p and top_k can be said."""
        return self.version < (4, 7)

    @property
    def takes_schema(self) -> bool:
        """Whether the answer's JSON schema can be said; otherwise a tool has to stand in for it."""
        return self.version >= (4, 1)

    @property
    def output_tokens_max(self) -> int:
        """What to say for an output limit, which must be said, when nobody gave one."""
        if not self.is_known:
            return 8_192
        if self.version < (3, 7):
            return 8_192 if self.version == (3, 5) else 4_096
        if self.version < (4, 5) and self.family == "opus":
            return 32_000
        return 64_000


def claude_model(name: str) -> ClaudeModel:
    """Read a name such as claude-opus-4-1-20250805, claude-3-5-haiku-latest or us.anthropic.claude-sonnet-4-v1:0."""
    found = _NAME.search(name.lower())
    if found is None:
        return ClaudeModel(_UNKNOWN, is_known=False)
    return ClaudeModel((int(found["major"]), int(found["minor"] or 0)), found["family"] or "")
