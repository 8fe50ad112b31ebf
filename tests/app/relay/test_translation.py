"""Between a client and a vendor of another dialect: what the vendor leaves in its answers and no client asked for."""

import json
from typing import Any

import pytest

from adapters.channel_types import TYPES
from app.relay.surfaces import SURFACES
from app.relay.translation import Translating
from domain.metering.usage import TokenUsage
from tests.support.dialects import SAID, frames_of, target

ASKED = {"model": "m", "messages": [{"role": "user", "content": "Count."}], "stop": ["END", "five"]}
USAGE = {"PromptTokens": 3, "CompletionTokens": 4, "TotalTokens": 7}


def way(*, stream: bool) -> Translating:
    surface = SURFACES["openai"]
    call = surface.parse("chat", json.dumps(ASKED | {"stream": stream}).encode())
    made = Translating(call, surface, TYPES["hunyuan"], lambda: surface.canonical(call), SAID)
    sent = json.loads(made.encode(target(key="id|secret", model="hunyuan-lite")).body)
    assert sent["Stop"] == ASKED["stop"]
    return made


def choice(where: str, content: str, reason: str) -> dict[str, Any]:
    return {"Choices": [{where: {"Role": "assistant", "Content": content}, "FinishReason": reason}], "Usage": USAGE}


@pytest.mark.parametrize("text", ["one, two, END", "one, two, "])
def test_hunyuans_stop_sequence_is_no_part_of_a_whole_answer(text: str) -> None:
    translating = way(stream=False)
    translating.read(json.dumps({"Response": choice("Message", text, "stop")}).encode(), {})

    answer = json.loads(translating.answer(TokenUsage())[0])

    assert answer["choices"][0]["message"]["content"] == "one, two, "


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_hunyuans_stop_sequence_is_no_part_of_a_stream(cut: int) -> None:
    translating = way(stream=True)
    text = "one, two, END"
    events = [choice("Delta", text[start : start + cut], "") for start in range(0, len(text), cut)]
    stream = b"".join(
        b"data: " + json.dumps(event).encode() + b"\n\n" for event in [*events, choice("Delta", "", "stop")]
    )

    out = b"".join(step.out for frame in frames_of([stream]) for step in translating.frame(frame))

    chunks = [json.loads(line[6:]) for line in out.split(b"\n\n") if line.startswith(b"data: {")]
    said = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    assert "".join(each["delta"].get("content") or "" for each in said) == "one, two, "
    assert said[-1]["finish_reason"] == "stop"
