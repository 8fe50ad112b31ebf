"""From the pieces of an answer to the answer, and from a whole answer to pieces that can be streamed."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from domain.relay.delta import Delta, Piece, ToolDelta

INCREMENTS_MAX: Final = 25
"""The most parts that a whole answer is streamed in: at one every 200 ms, five seconds."""
INCREMENT_CHARACTERS: Final = 40


class Assembler:
    """Joins the deltas of one stream into one, for a client that does not stream."""

    __slots__ = ("_last", "_pieces", "_result")

    def __init__(self) -> None:
        """Start with nothing said."""
        self._pieces: dict[int, list[Piece]] = {}
        self._last: Delta | None = None
        self._result: Delta | None = None

    def add(self, delta: Delta) -> None:
        """Take one delta, in order."""
        if delta.result is not None:
            self._result = delta
        for piece in delta.pieces:
            blocks = self._pieces.setdefault(piece.choice, [])
            joined = _join(blocks[-1], piece) if blocks else None
            if joined is None and piece.tool is not None:
                joined = self._continue_tool(blocks, piece)
            elif joined is None:
                blocks.append(piece)
            elif blocks:
                blocks[-1] = joined

    @staticmethod
    def _continue_tool(blocks: list[Piece], piece: Piece) -> None:
        """Add to the call of the same index, wherever it stands: vendors interleave parallel calls."""
        assert piece.tool is not None
        for place, known in enumerate(blocks):
            if known.tool is not None and known.tool.index == piece.tool.index:
                blocks[place] = msgspec.structs.replace(
                    known,
                    tool=_join_tools(known.tool, piece.tool),
                    finish_reason=piece.finish_reason or known.finish_reason,
                )
                return
        blocks.append(piece)

    def whole(self) -> Delta:
        """Give everything that was said: per choice its blocks in order, each whole."""
        pieces = tuple(piece for choice in sorted(self._pieces) for piece in self._pieces[choice])
        return Delta(
            pieces=pieces,
            choices=len(self._pieces),
            result=None if self._result is None else self._result.result,
        )


def _join(left: Piece, right: Piece) -> Piece | None:
    """Give two neighbors as one, if they are of one block; None if a new block begins."""
    if left.tool is not None or right.tool is not None or left.media is not None or right.media is not None:
        return None
    if left.redacted or right.redacted:
        return None
    # A signature ends its block of reasoning; text after reasoning is another block.
    if left.signature and (right.reasoning or right.signature):
        return None
    if (left.text and right.reasoning) or ((left.reasoning or left.signature) and (right.text or right.refusal)):
        return None
    if (left.text and right.refusal) or (left.refusal and right.text):
        return None
    return msgspec.structs.replace(
        left,
        text=left.text + right.text,
        reasoning=left.reasoning + right.reasoning,
        signature=left.signature or right.signature,
        refusal=left.refusal + right.refusal,
        annotations=left.annotations + right.annotations,
        logprobs=_join_logprobs(left, right),
        finish_reason=right.finish_reason or left.finish_reason,
        stop_sequence=right.stop_sequence or left.stop_sequence,
    )


def _join_logprobs(left: Piece, right: Piece) -> dict[str, object] | None:
    if left.logprobs is None or right.logprobs is None:
        return left.logprobs or right.logprobs
    return {
        name: [*(left.logprobs.get(name) or ()), *(right.logprobs.get(name) or ())] or None
        for name in ("content", "refusal")
    }


def _join_tools(left: ToolDelta, right: ToolDelta) -> ToolDelta:
    return msgspec.structs.replace(
        left,
        call_id=left.call_id or right.call_id,
        name=left.name or right.name,
        arguments=left.arguments + right.arguments,
        signature=left.signature or right.signature,
    )


def increments(delta: Delta) -> Iterator[Delta]:
    """Cut a whole answer into deltas to be sent one after the other; together they say the same."""
    length = sum(len(piece.text) + len(piece.reasoning) for piece in delta.pieces)
    size = max(INCREMENT_CHARACTERS, -(-length // INCREMENTS_MAX))
    for piece in delta.pieces:
        for part in _cut(piece, size):
            yield Delta(pieces=(part,), choices=1)


def _cut(piece: Piece, size: int) -> Sequence[Piece]:
    words = piece.reasoning or piece.text
    if len(words) <= size or (piece.reasoning and piece.text):
        return (piece,)
    *parts, rest = (words[start : start + size] for start in range(0, len(words), size))
    if piece.reasoning:
        first = [Piece(choice=piece.choice, reasoning=part) for part in parts]
        return [*first, msgspec.structs.replace(piece, reasoning=rest)]
    first = [Piece(choice=piece.choice, text=part) for part in parts]
    return [*first, msgspec.structs.replace(piece, text=rest)]
