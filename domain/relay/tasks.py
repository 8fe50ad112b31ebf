"""The calls that are no chats, and what they give, in no vendor's words."""

from typing import Any, Literal, TypeAlias

import msgspec


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts to be turned into vectors."""

    inputs: tuple[str | tuple[int, ...], ...]
    """Texts, or token ids where the client sent those."""
    dimensions: int | None = None
    task: str = ""
    """What the vectors are for, in the vendor's word (search_query, RETRIEVAL_DOCUMENT ...), where a client says it."""
    title: str = ""
    user: str = ""
    others: dict[str, Any] = {}


class Embeddings(msgspec.Struct, frozen=True):
    """One vector for each input, in their order."""

    vectors: tuple[tuple[float, ...], ...]


class RerankRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Documents to be ordered by how well they answer a query."""

    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    return_documents: bool = False
    others: dict[str, Any] = {}


class Ranking(msgspec.Struct, frozen=True):
    """(index of the document, relevance), best first."""

    results: tuple[tuple[int, float], ...]
    searches: int = 0
    """The vendor's own unit of billing, where it has one (Cohere's search units)."""


class ImagesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Images to be made, or to be changed where `images` has some."""

    prompt: str
    n: int = 1
    size: str = ""
    quality: str = ""
    style: str = ""
    background: str = ""
    output_format: str = ""
    response_format: Literal["", "url", "b64_json"] = ""
    images: tuple["Upload", ...] = ()
    mask: "Upload | None" = None
    user: str = ""
    others: dict[str, Any] = {}


class Upload(msgspec.Struct, frozen=True):
    """A file that came with a multipart form."""

    name: str
    media_type: str
    content: bytes


class MadeImage(msgspec.Struct, frozen=True, kw_only=True):
    """One image, by an address or as base64."""

    url: str = ""
    data: str = ""
    media_type: str = ""
    revised_prompt: str = ""


class Images(msgspec.Struct, frozen=True):
    """The images made."""

    images: tuple[MadeImage, ...]


class SpeechRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text to be spoken."""

    text: str
    voice: str
    format: str = "mp3"
    speed: float | None = None
    instructions: str = ""
    others: dict[str, Any] = {}


class Speech(msgspec.Struct, frozen=True):
    """The sound."""

    content: bytes
    media_type: str


class TranscriptionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A recording to be written down, or translated into English."""

    file: Upload
    translate: bool = False
    language: str = ""
    prompt: str = ""
    response_format: str = "json"
    temperature: float | None = None
    timestamps: tuple[str, ...] = ()
    others: dict[str, Any] = {}


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """What was said."""

    text: str
    language: str = ""
    milliseconds: int = 0
    segments: tuple[dict[str, Any], ...] = ()
    words: tuple[dict[str, Any], ...] = ()


class ModerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts (or parts in OpenAI's form) to be judged."""

    inputs: tuple[str | dict[str, Any], ...]
    others: dict[str, Any] = {}


class Moderation(msgspec.Struct, frozen=True):
    """One judgment for each input: categories, scores, flagged."""

    results: tuple[dict[str, Any], ...]


TaskRequest: TypeAlias = (
    EmbeddingsRequest | RerankRequest | ImagesRequest | SpeechRequest | TranscriptionRequest | ModerationRequest
)
TaskResult: TypeAlias = Embeddings | Ranking | Images | Speech | Transcript | Moderation
