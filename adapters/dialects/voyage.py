"""Voyage and Jina: embeddings and rankings, each with its own names for what OpenAI's clients ask.

Source: the vendor's Python SDK voyageai 0.5.0; Jina's converter in public gateways.
"""

from collections.abc import Mapping
from typing import Any, Final

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import BROKEN, bearer, floats, given, input_report, items, member, post, texts_of
from adapters.wire.lenient import loads
from domain.relay.call import Call, Surface
from domain.relay.delta import Delta
from domain.relay.dialect import Frame, Framing, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.tasks import Embeddings, EmbeddingsRequest, Ranking, RerankRequest


class VoyageDialect(BaseDialect):
    """Voyage: `top_k`, `output_dimension`, and rankings in `data`."""

    framing: Framing = "whole"
    surfaces: frozenset[Surface] = frozenset({"embeddings", "rerank"})

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the body of embeddings; floats are what comes when nothing is said."""
        body = given(
            model=target.model,
            input=texts_of(request),
            input_type=request.task,
            output_dimension=request.dimensions,
        )
        return post(f"{_versioned(target)}/embeddings", body, bearer(target.key))

    def rerank(self, request: RerankRequest, target: Target) -> VendorRequest:
        """Give the body of a ranking."""
        body = given(model=target.model, query=request.query, documents=list(request.documents), top_k=request.top_n)
        return post(f"{_versioned(target)}/rerank", body, bearer(target.key))

    def decoder(self, call: Call) -> StreamDecoder:
        """Give a reader that is never asked: nothing streams here."""
        return _Never()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        counts = input_report(member(answer, "usage", "total_tokens"))
        listed = items(answer.get("data")) or items(answer.get("results"))
        if call.surface == "rerank":
            ranked = _ranking(listed)
            return Delta(error=classify(answer)) if not ranked.results else Delta(result=ranked, report=counts)
        ordered = sorted(listed, key=_place)
        vectors = [floats(member(each, "embedding")) for each in ordered]
        if not vectors or None in vectors:
            return Delta(error=classify(answer))
        return Delta(result=Embeddings(tuple(each for each in vectors if each is not None)), report=counts)


class JinaDialect(VoyageDialect):
    """Jina: `task`, `dimensions`, and rankings in `results`."""

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the body of embeddings."""
        body: dict[str, Any] = given(
            model=target.model,
            input=texts_of(request),
            task=request.task,
            dimensions=request.dimensions,
            late_chunking=request.others.get("late_chunking"),
            normalized=request.others.get("normalized"),
        )
        return post(f"{_versioned(target)}/embeddings", body | {"embedding_type": "float"}, bearer(target.key))

    def rerank(self, request: RerankRequest, target: Target) -> VendorRequest:
        """Give the body of a ranking."""
        body = given(model=target.model, query=request.query, documents=list(request.documents), top_n=request.top_n)
        return post(f"{_versioned(target)}/rerank", body | {"return_documents": False}, bearer(target.key))


def _versioned(target: Target) -> str:
    return target.base_url if target.base_url.endswith("/v1") else f"{target.base_url}/v1"


def _place(each: object) -> int:
    index = member(each, "index")
    return index if isinstance(index, int) else 0


def _ranking(listed: list[Any]) -> Ranking:
    ranked = [
        (index, float(score))
        for each in listed
        if isinstance(index := member(each, "index"), int)
        and isinstance(score := member(each, "relevance_score"), int | float)
    ]
    return Ranking(tuple(sorted(ranked, key=lambda pair: -pair[1])))


class _Never(BaseDecoder):
    def feed(self, frame: Frame) -> list[Delta]:
        """Say that there should be no stream."""
        return [BROKEN]


VOYAGE: Final = VoyageDialect()
JINA: Final = JinaDialect()
