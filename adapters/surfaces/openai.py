"""OpenAI's contract as clients speak it: reading its calls, writing its answers, streams and errors."""

from typing import Any, Final

import msgspec

from adapters.surfaces.openai_answers import (
    JSON,
    ChatWriter,
    TextWriter,
    chat_answer,
    embeddings_answer,
    error_body,
    text_answer,
)
from adapters.surfaces.openai_chat import read_chat, read_members
from adapters.surfaces.openai_results import task_answer
from adapters.surfaces.openai_tasks import parse_task, read_task
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, ClientDialect, InvalidRequestError, Surface, parse_call, refusal_of
from domain.relay.chat import ChatRequest, Message, Text
from domain.relay.delta import Delta
from domain.relay.dialect import AnswerWriter, CanonicalRequest, ClientError, Said
from domain.relay.tasks import Embeddings, EmbeddingsRequest, Images, Moderation, Ranking, Speech, Transcript


class _CompletionsBody(msgspec.Struct):
    prompt: str | list[str | int | list[int]]
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None


class _EmbeddingsBody(msgspec.Struct):
    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    user: str | None = None


_OF_THE_CALL: Final = frozenset(
    {"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "encoding_format"}
)
# What asks for nothing is no parameter that a vendor could fail to have.
_IDLE: Final[dict[str, tuple[Any, ...]]] = {"echo": (False,), "best_of": (1,), "suffix": ("",)}


class OpenAISurface:
    """The contract of /v1 with OpenAI's SDKs."""

    dialect: ClientDialect = "openai"
    headers: frozenset[str] = frozenset()
    """The client's headers that go on to a vendor of this contract: none, for the SDK's tell only about itself."""
    takes_comments: bool = True
    """Whether the SDKs of this contract pass over comments in a stream."""
    passes_bytes: bool = True
    """Whether a vendor's stream may pass through as it comes."""

    def parse(
        self,
        surface: Surface,
        body: bytes,
        *,
        content_type: str = JSON,
        model: str = "",
        stream: bool = False,
    ) -> Call:
        """Read what routing and pricing need; the path says nothing here, the body everything."""
        match surface:
            case "chat" | "completions" | "embeddings":
                return parse_call(surface, body)
            case _:
                return parse_task(surface, body, content_type)

    def canonical(self, call: Call) -> CanonicalRequest:
        """Read the whole body; InvalidRequestError naming the member at fault."""
        match call.surface:
            case "chat":
                return read_chat(call)
            case "completions":
                return _read_completions(call)
            case "embeddings":
                return _read_embeddings(call)
            case _:
                return read_task(call)

    def writer(self, call: Call, said: Said) -> AnswerWriter:
        """Give a writer for one stream."""
        return TextWriter(call, said) if call.surface == "completions" else ChatWriter(call, said)

    def answer(self, call: Call, said: Said, delta: Delta, usage: TokenUsage) -> tuple[bytes, str]:
        """Give a whole answer and its media type."""
        match delta.result:
            case Embeddings():
                return embeddings_answer(call, delta.result, usage), JSON
            case Images() | Speech() | Transcript() | Moderation() | Ranking():
                return task_answer(call, said, delta.result, usage)
            case _ if call.surface == "completions":
                return text_answer(call, said, delta, usage), JSON
            case _:
                return chat_answer(call, said, delta, usage), JSON

    def error(self, error: ClientError) -> bytes:
        """Give the envelope of a refusal."""
        return error_body(error)


def _read_completions(call: Call) -> ChatRequest:
    """Read a legacy completion as a chat of one turn, for vendors that have nothing else."""
    members = read_members(call.body)
    try:
        body = msgspec.convert(members, _CompletionsBody)
    except msgspec.ValidationError as error:
        raise refusal_of(str(error)) from None
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise InvalidRequestError(
            "This model takes one prompt, as text: send a call for each prompt, and no token ids.",
            param="prompt",
            reason="invalid_value",
        )
    return ChatRequest(
        messages=(Message("user", (Text(prompts[0]),)),),
        temperature=body.temperature,
        top_p=body.top_p,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        seed=body.seed,
        n=body.n or 1,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        logit_bias=body.logit_bias,
        user=body.user or "",
        others=_others(members, _CompletionsBody),
    )


def _read_embeddings(call: Call) -> EmbeddingsRequest:
    members = read_members(call.body)
    try:
        body = msgspec.convert(members, _EmbeddingsBody)
    except msgspec.ValidationError as error:
        raise refusal_of(str(error)) from None
    return EmbeddingsRequest(
        inputs=_inputs(body.input),
        dimensions=body.dimensions,
        user=body.user or "",
        others=_others(members, _EmbeddingsBody),
    )


def _inputs(given: str | list[str | int | list[int]]) -> tuple[str | tuple[int, ...], ...]:
    """Give each input: a list of numbers is one input of token ids."""
    if isinstance(given, str):
        return (given,)
    ids = [each for each in given if isinstance(each, int)]
    if ids:
        if len(ids) != len(given):
            raise InvalidRequestError("'input' mixes token ids with texts.", param="input", reason="invalid_value")
        return (tuple(ids),)
    return tuple(tuple(each) if isinstance(each, list) else each for each in given if not isinstance(each, int))


def _others(members: dict[str, Any], known: type[msgspec.Struct]) -> dict[str, Any]:
    names = _OF_THE_CALL | {field.name for field in msgspec.structs.fields(known)}
    return {
        name: value
        for name, value in members.items()
        if name not in names and value is not None and value not in _IDLE.get(name, ())
    }


SURFACE: Final = OpenAISurface()
