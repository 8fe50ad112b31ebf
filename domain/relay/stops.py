"""Stop sequences at vendors that stop behind them: what a client asked to stop at is no part of its answer."""

import msgspec

from domain.relay.delta import Piece


class StopTrimmer:
    """Takes the stop sequence off the end of each choice, whole or piece by piece."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        """Take the client's stop sequences."""
        self._stops = sorted((stop for stop in stops if stop), key=len, reverse=True)
        self._longest = len(self._stops[0]) if self._stops else 0
        self._held: dict[int, str] = {}
        """By choice, the last words, which may be a stop sequence."""

    def trim(self, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        """Give what can be told by now; a choice's last words come with the reason for its end."""
        if not self._longest:
            return pieces
        told: list[Piece] = []
        for piece in pieces:
            told += self._trimmed(piece)
        return tuple(told)

    def _trimmed(self, piece: Piece) -> list[Piece]:
        words = self._held.pop(piece.choice, "") + piece.text
        if piece.finish_reason is not None:
            stop = next((stop for stop in self._stops if words.endswith(stop)), "")
            last = msgspec.structs.replace(piece, text="", stop_sequence=stop or piece.stop_sequence)
            return [*_said(piece.choice, words.removesuffix(stop)), last]
        if piece.tool is not None or piece.media is not None:
            # Nothing that stops at words goes on with these.
            return [*_said(piece.choice, words), msgspec.structs.replace(piece, text="")]
        self._held[piece.choice] = words[-self._longest :]
        rest = msgspec.structs.replace(piece, text=words[: -self._longest])
        return [] if rest == Piece(choice=piece.choice) else [rest]


def _said(choice: int, words: str) -> list[Piece]:
    return [Piece(choice=choice, text=words)] if words else []
