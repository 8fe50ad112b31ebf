"""A chat body in OpenAI's form, as it is written: what is taken from it, and its types."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec


class CacheControl(msgspec.Struct):
    type: str = "ephemeral"
    ttl: Literal["5m", "1h"] = "5m"


class Address(msgspec.Struct):
    url: str
    detail: str | None = None


class Sound(msgspec.Struct):
    data: str
    format: str = "wav"


class File(msgspec.Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class TextPart(msgspec.Struct, tag="text"):
    text: str
    cache_control: CacheControl | None = None


class ImagePart(msgspec.Struct, tag="image_url"):
    image_url: Address | str
    cache_control: CacheControl | None = None


class VideoPart(msgspec.Struct, tag="video_url"):
    video_url: Address | str


class AudioPart(msgspec.Struct, tag="input_audio"):
    input_audio: Sound
    cache_control: CacheControl | None = None


class FilePart(msgspec.Struct, tag="file"):
    file: File
    cache_control: CacheControl | None = None


class RefusalPart(msgspec.Struct, tag="refusal"):
    refusal: str


ContentPart: TypeAlias = TextPart | ImagePart | VideoPart | AudioPart | FilePart | RefusalPart
Content: TypeAlias = str | list[ContentPart]


class Google(msgspec.Struct):
    thought_signature: str = ""


class ExtraContent(msgspec.Struct):
    google: Google | None = None


class CalledFunction(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] | None = None


class ToolCalled(msgspec.Struct):
    function: CalledFunction
    id: str = ""
    extra_content: ExtraContent | None = None


class ReasoningDetail(msgspec.Struct):
    type: str = ""
    text: str | None = None
    signature: str | None = None
    data: str | None = None


class System(msgspec.Struct, tag_field="role", tag="system"):
    content: Content
    name: str | None = None


class Developer(msgspec.Struct, tag_field="role", tag="developer"):
    content: Content
    name: str | None = None


class User(msgspec.Struct, tag_field="role", tag="user"):
    content: Content
    name: str | None = None


class Assistant(msgspec.Struct, tag_field="role", tag="assistant"):
    content: Content | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    tool_calls: list[ToolCalled] | None = None
    function_call: CalledFunction | None = None


class ToolSaid(msgspec.Struct, tag_field="role", tag="tool"):
    content: Content
    tool_call_id: str
    name: str | None = None


class FunctionSaid(msgspec.Struct, tag_field="role", tag="function"):
    name: str
    content: str | None = None


MessageBody: TypeAlias = System | Developer | User | Assistant | ToolSaid | FunctionSaid


class Function(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolBody(msgspec.Struct):
    function: Function
    cache_control: CacheControl | None = None


class Named(msgspec.Struct):
    name: str


class Choice(msgspec.Struct):
    type: str
    function: Named | None = None


class Schema(msgspec.Struct):
    name: str = ""
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None


class AudioBody(msgspec.Struct):
    voice: str
    format: str = "wav"


class ThinkingBody(msgspec.Struct):
    type: str = ""
    budget_tokens: int | None = None


class ReasoningBody(msgspec.Struct):
    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None


class Body(msgspec.Struct):
    messages: list[MessageBody]
    tools: list[dict[str, Any]] | None = None
    functions: list[Function] | None = None
    tool_choice: Literal["none", "auto", "required", "any"] | dict[str, Any] | None = None
    function_call: Literal["none", "auto"] | Named | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: Format | None = None
    reasoning_effort: str | None = None
    reasoning: ReasoningBody | None = None
    thinking: ThinkingBody | None = None
    modalities: list[str] | None = None
    audio: AudioBody | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
