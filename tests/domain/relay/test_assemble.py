from hypothesis import given
from hypothesis import strategies as st

from domain.relay.assemble import INCREMENTS_MAX, Assembler, increments
from domain.relay.chat import Media
from domain.relay.delta import Delta, Piece, ToolDelta, said

WORDS = st.text(min_size=1, max_size=200)


def whole(*pieces: Piece) -> tuple[Piece, ...]:
    assembler = Assembler()
    for piece in pieces:
        assembler.add(said(piece))
    return assembler.whole().pieces


def test_text_that_came_in_pieces_is_one_block() -> None:
    assert whole(Piece(text="He"), Piece(text="llo"), Piece(finish_reason="stop")) == (
        Piece(text="Hello", finish_reason="stop"),
    )


def test_reasoning_and_the_answer_after_it_are_blocks_of_their_own() -> None:
    assert whole(Piece(reasoning="a"), Piece(reasoning="b"), Piece(signature="S"), Piece(text="c")) == (
        Piece(reasoning="ab", signature="S"),
        Piece(text="c"),
    )


def test_two_signed_blocks_of_reasoning_stay_two() -> None:
    first, second = Piece(reasoning="a", signature="S"), Piece(reasoning="b", signature="T")

    assert whole(first, second) == (first, second)


def test_parallel_tool_calls_may_come_interleaved() -> None:
    pieces = [
        Piece(tool=ToolDelta(index=0, call_id="a", name="f", arguments="{")),
        Piece(tool=ToolDelta(index=1, call_id="b", name="g")),
        Piece(tool=ToolDelta(index=0, arguments="}")),
        Piece(tool=ToolDelta(index=1, arguments="{}")),
        Piece(finish_reason="tool_calls"),
    ]

    assert whole(*pieces) == (
        Piece(tool=ToolDelta(index=0, call_id="a", name="f", arguments="{}")),
        Piece(tool=ToolDelta(index=1, call_id="b", name="g", arguments="{}")),
        Piece(finish_reason="tool_calls"),
    )


def test_choices_do_not_mix() -> None:
    pieces = [Piece(choice=1, text="x"), Piece(choice=0, text="a"), Piece(choice=1, text="y")]

    assert whole(*pieces) == (Piece(choice=0, text="a"), Piece(choice=1, text="xy"))


def test_an_image_between_texts_keeps_its_place() -> None:
    image = Piece(media=Media(kind="image", data="QQ=="))

    assert whole(Piece(text="a"), image, Piece(text="b")) == (Piece(text="a"), image, Piece(text="b"))


def test_log_probabilities_follow_one_another() -> None:
    pieces = [Piece(text="a", logprobs={"content": [1]}), Piece(text="b", logprobs={"content": [2]})]

    assert whole(*pieces) == (Piece(text="ab", logprobs={"content": [1, 2], "refusal": None}),)


@given(WORDS, WORDS, st.sampled_from(["stop", "length"]))
def test_increments_say_the_same_as_the_whole(thoughts: str, words: str, reason: str) -> None:
    answer = (Piece(reasoning=thoughts), Piece(text=words, finish_reason="stop" if reason == "stop" else "length"))
    assembler = Assembler()
    for delta in increments(Delta(pieces=answer)):
        assembler.add(delta)

    assert assembler.whole().pieces == answer


@given(st.integers(1, 100_000))
def test_a_long_answer_takes_no_more_than_its_share_of_increments(length: int) -> None:
    assert len(list(increments(Delta(pieces=(Piece(text="x" * length),))))) <= INCREMENTS_MAX + 1
