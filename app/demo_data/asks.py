"""What is asked for: which key calls which model with how much, drawn by what its tenant does."""

import itertools
import random
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final, NamedTuple

from app.demo_data.cast import MIXES, Task
from app.demo_data.people import Story
from domain.admin.entities import Token
from domain.ids import EntityId
from domain.metering.usage import TokenUsage
from domain.relay.call import Call

ONE_CALL: Final = TokenUsage()
_OUTPUTS: Final = (1024, 2048, 4096)
_BEST: Final = 0.03
"""Calls of gpt-5 that ask for `best`."""


class Ask(NamedTuple):
    """A call, and what it will come to if a vendor answers."""

    call: Call
    token: Token
    usage: TokenUsage
    other: TokenUsage
    upper: int
    output_max: int
    model: str


class Asks:
    """Draws a tenant's calls."""

    def __init__(self, story: Story, chance: random.Random) -> None:
        """Take whose calls they are."""
        self.tasks = MIXES[story.company.mix]
        self._members = story.members
        self._chance = chance
        self._draw = chance.random
        self._task_weights = list(itertools.accumulate(task.weight for task in self.tasks))
        self._member_weights = list(itertools.accumulate(member.share for member in story.members))
        self._calls: dict[tuple[str, str, bool], Call] = {}

    def draw(self, at: int, tokens: Mapping[EntityId, Token]) -> Ask | None:
        """Draw a call of a moment; None where its key was revoked."""
        draw, chance = self._draw, self._chance
        member = self._members[bisect_right(self._member_weights, draw() * self._member_weights[-1] * 0.999999)]
        if member.created_at > at:
            member = self._members[0]
        token = tokens[member.token.token_id]
        if token.revoked:
            # Whoever found it tries it, for a while; such calls are refused before anything is known of them.
            return None
        task = self.tasks[bisect_right(self._task_weights, draw() * self._task_weights[-1] * 0.999999)]
        size = max(1, int(task.prompt * chance.lognormvariate(0.0, 0.7)))
        surface = task.surface
        model = "best" if task.model == "gpt-5" and draw() < _BEST else task.model
        stream = bool(task.output) and draw() < task.stream
        key = (surface, model, stream)
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = Call(surface=surface, model=model, stream=stream)  # type: ignore[arg-type]
        if surface == "speech":
            other = TokenUsage(characters=size)
            return Ask(call, token, other, other, 0, 0, task.model)
        if surface == "transcriptions":
            other = TokenUsage(milliseconds=size)
            return Ask(call, token, other, other, 0, 0, task.model)
        cached = int(size * (0.4 + 0.5 * draw())) if draw() < task.cached else 0
        if not task.output:
            usage, output_max = TokenUsage(input_tokens=size), 0
        else:
            output_max = _OUTPUTS[int(draw() * 3)]
            output = min(output_max, max(1, int(task.output * chance.lognormvariate(0.0, 0.8))))
            reasoning = int(output * task.reasoning * 2 * draw()) if task.reasoning else 0
            usage = TokenUsage(
                input_tokens=size - cached,
                cached_input_tokens=cached,
                output_tokens=output - min(reasoning, output),
                reasoning_tokens=min(reasoning, output),
            )
        return Ask(call, token, usage, ONE_CALL, size + size // 16 + 12, output_max, task.model)


def usual(task: Task) -> TokenUsage:
    """Give what a call of a task uses on average: lognormal sizes have their mean above their middle."""
    if task.surface == "speech":
        return TokenUsage(characters=int(task.prompt * 1.28))
    if task.surface == "transcriptions":
        return TokenUsage(milliseconds=int(task.prompt * 1.28))
    prompt = int(task.prompt * 1.28)
    cached = int(prompt * task.cached * 0.65)
    return TokenUsage(input_tokens=prompt - cached, cached_input_tokens=cached, output_tokens=int(task.output * 1.38))
