"""A proof file holds, and no other file does."""

import random

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.proof.event import event_hash
from domain.proof.proofs import InvalidProofError, check, encode, prove
from domain.proof.seals import key_id_of
from tests.domain.proof.samples import KEY_ID, PUBLIC, event, parts

FILE = encode(prove(parts()))
STRANGER = Ed25519PrivateKey.generate().public_key().public_bytes_raw()

CHANGED_COLUMNS = {
    "tenant_id": 8,
    "lane": 10,
    "position": 8,
    "event_id": bytes(16),
    "type": "hold.voided.v1",
    "data": b"{}",
    "actor": "token:abd",
    "correlation_id": bytes(16),
    "causation_id": bytes(16),
    "recorded_at": 1_790_000_000_123_457,
    "day": 20_718,
    "digest": 0,
    "account_ids": (bytes(16), bytes(16)),
    "posted": (-12, -13),
    "held": (-41, -40),
}


def test_a_proof_holds_without_a_key_but_vouches_for_itself_only() -> None:
    verified = check(FILE)

    assert (verified.event.position, verified.key_id, verified.trusted) == (7, KEY_ID, False)
    assert verified.seal_number == 5


def test_a_proof_holds_against_the_key_that_is_trusted() -> None:
    assert check(FILE, {KEY_ID: PUBLIC}).trusted


def test_a_proof_signed_by_a_stranger_is_refused_by_who_knows_the_key() -> None:
    with pytest.raises(InvalidProofError, match="not a key that you trust"):
        check(FILE, {key_id_of(STRANGER): STRANGER})
    with pytest.raises(InvalidProofError, match="not a key that you trust"):
        check(FILE, {KEY_ID: STRANGER})


@pytest.mark.parametrize("column", CHANGED_COLUMNS)
def test_every_column_of_the_event_is_hashed(column: str) -> None:
    changed = event(**{column: CHANGED_COLUMNS[column]})  # type: ignore[arg-type]  # a column of any type

    assert event_hash(changed) != event_hash(event())
    assert set(CHANGED_COLUMNS) == set(event().__struct_fields__)


def test_nothing_can_be_moved_from_one_column_into_the_next() -> None:
    one = event(type="ab", actor="c")
    other = event(type="a", actor="bc")
    lists = event(account_ids=(), posted=(1,), held=()), event(account_ids=(), posted=(), held=(1,))

    assert event_hash(one) != event_hash(other)
    assert event_hash(lists[0]) != event_hash(lists[1])


@pytest.mark.parametrize("events", [1, 2, 3, 1024])
@pytest.mark.parametrize("blocks", [3, 4, 300])
def test_proofs_of_any_place_in_blocks_and_seals_of_any_size_are_short(events: int, blocks: int) -> None:
    for position in {3, 2 + events}:
        proof = prove(parts(position, events=events, blocks=blocks))
        assert check(encode(proof)).event.position == position
        assert len(proof.block.path) <= 10
        assert len(proof.seal.path) <= 9


def test_no_byte_of_a_proof_is_free_to_be_another_one() -> None:
    """Every byte in its turn, to a random other value."""
    rng = random.Random(31)
    for at in range(len(FILE)):
        changed = bytearray(FILE)
        changed[at] ^= rng.randrange(1, 256)
        with pytest.raises(InvalidProofError):
            check(bytes(changed))


@settings(max_examples=300)
@given(at=st.integers(0, len(FILE) - 1), byte=st.integers(0, 255), how=st.sampled_from(["put", "insert", "delete"]))
def test_a_proof_with_one_byte_more_less_or_other_is_refused(at: int, byte: int, how: str) -> None:
    changed = FILE[:at] + (b"" if how == "delete" else bytes([byte])) + FILE[at + (how != "insert") :]
    if changed == FILE:
        return
    with pytest.raises(InvalidProofError):
        check(changed)


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_garbage_is_refused_and_nothing_else_is_raised(garbage: bytes) -> None:
    with pytest.raises(InvalidProofError):
        check(garbage)


@settings(max_examples=200)
@given(
    where=st.sampled_from([("event", name) for name in ("position", "digest", "event_id", "posted", "account_ids")]
    + [("block", name) for name in ("first_position", "last_position", "path", "root")]
    + [("seal", name) for name in ("blocks", "place", "sealed_at", "signature", "path", "number")]),
    value=st.one_of(
        st.integers(-(2**70), 2**70), st.text(max_size=40), st.lists(st.text(max_size=8), max_size=3), st.none()
    ),
)  # fmt: skip
def test_fields_with_nonsense_are_refused_and_nothing_else_is_raised(where: tuple[str, str], value: object) -> None:
    proof = msgspec.json.decode(FILE)
    if proof[where[0]][where[1]] == value:
        return
    proof[where[0]][where[1]] = value
    with pytest.raises(InvalidProofError):
        check(msgspec.json.encode(proof))


def test_deeply_nested_and_endless_files_are_refused() -> None:
    for file in (b"[" * 100_000, b'{"event":' * 50_000, b"", b"null", FILE + FILE, FILE + b"\n"):
        with pytest.raises(InvalidProofError):
            check(file)


def test_a_formatted_proof_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidProofError, match="byte for byte"):
        check(msgspec.json.format(FILE, indent=2))


def test_parts_that_do_not_belong_together_give_no_proof() -> None:
    made = parts()
    with pytest.raises(InvalidProofError):
        prove(made._replace(event=event(7, made.block.lane, data=b'{"captured_nanos":11}')))
    with pytest.raises(InvalidProofError):
        prove(made._replace(place=1))
    with pytest.raises(InvalidProofError):
        prove(made._replace(public_key=STRANGER))
