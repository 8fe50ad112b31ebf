"""Stop sequences at the end of answers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.relay.delta import Piece, ToolDelta
from domain.relay.stops import StopTrimmer

END = Piece(finish_reason="stop")


def told(pieces: list[Piece], *stops: str) -> tuple[str, str]:
    """Give the text that is told of pieces, and which sequence is said to have ended it."""
    trimmer = StopTrimmer(stops)
    given_ = [each for piece in pieces for each in trimmer.trim((piece,))]
    assert given_[-1].finish_reason == "stop"
    return "".join(piece.text for piece in given_), given_[-1].stop_sequence


@pytest.mark.parametrize(
    ("text", "stops", "want", "stop"),
    [
        ("one, two, END", ("END",), "one, two, ", "END"),
        ("one END two", ("END",), "one END two", ""),
        ("one", (), "one", ""),
        ("one\n\n", ("\n", "\n\n"), "one", "\n\n"),
        ("END", ("END",), "", "END"),
        ("", ("END",), "", ""),
    ],
)
def test_the_sequence_that_ended_an_answer_is_no_part_of_it(
    text: str, stops: tuple[str, ...], want: str, stop: str
) -> None:
    assert told([Piece(text=text), END], *stops) == (want, stop)
    assert told([Piece(text=text, finish_reason="stop")], *stops) == (want, stop)


@given(st.text(alphabet="aEND", max_size=20), st.lists(st.integers(0, 20), max_size=5))
def test_an_answer_cut_anywhere_says_the_same(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [Piece(text=text[start:end]) for start, end in pairwise(places)]

    assert told([*pieces, END], "END")[0] == text.removesuffix("END")


def test_other_choices_thoughts_and_calls_are_left_alone() -> None:
    trimmer = StopTrimmer(("END",))
    tool = Piece(tool=ToolDelta(index=0, name="f"))

    first = trimmer.trim((Piece(text="one END"), Piece(choice=1, text="END"), Piece(reasoning="so END")))
    last = trimmer.trim((tool, Piece(choice=1, finish_reason="stop"), END))

    assert [(piece.choice, piece.text, piece.reasoning) for piece in first] == [(0, "one ", ""), (0, "", "so END")]
    assert [piece.text for piece in last] == ["END", "", "", ""]
    assert last[1] == tool
    assert last[2] == Piece(choice=1, finish_reason="stop", stop_sequence="END")
