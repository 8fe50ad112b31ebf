"""The check as docs/proof.md words it for programs of others, written again from the words, agrees with ours."""

import base64
import datetime as dt
import hashlib
import json
import uuid
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.proof.proofs import encode, prove
from tests.domain.proof.samples import parts

SINCE_2000 = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
SINCE_1970 = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def number(value: int, length: int = 8) -> bytes:
    return value.to_bytes(length, "big", signed=True)


def sized(content: bytes) -> bytes:
    return number(len(content), 4) + content


def micros(text: str, since: dt.datetime) -> bytes:
    return number((dt.datetime.fromisoformat(text) - since) // dt.timedelta(microseconds=1))


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def event_hash(event: dict[str, Any]) -> bytes:
    lists = [
        [uuid.UUID(account).bytes for account in event["account_ids"]],
        [number(posted) for posted in event["posted"]],
        [number(held) for held in event["held"]],
    ]
    return sha256(
        b"\x00tallygate event 1\x00",
        number(event["tenant_id"]) + number(event["lane"]) + number(event["position"]),
        micros(event["recorded_at"], SINCE_2000),
        bytes.fromhex(event["digest"]),
        number((dt.date.fromisoformat(event["day"]) - SINCE_2000.date()).days, 4),
        *(uuid.UUID(event[name]).bytes for name in ("event_id", "correlation_id", "causation_id")),
        sized(event["type"].encode()) + sized(event["actor"].encode()),
        *(number(len(each), 4) + b"".join(sized(element) for element in each) for each in lists),
        sized(event["data"].encode()),
    )


def climb(node: bytes, index: int, size: int, path: list[str]) -> bytes:
    hashes = [bytes.fromhex(each) for each in path]
    while size > 1:
        if index % 2:
            node = sha256(b"\x01", hashes.pop(0), node)
        elif index + 1 < size:
            node = sha256(b"\x01", node, hashes.pop(0))
        index, size = index // 2, (size + 1) // 2
    assert not hashes
    return node


def check_by_the_words(file: bytes) -> None:
    proof = json.loads(file)
    event, block, seal = proof["event"], proof["block"], proof["seal"]
    first, last = block["first_position"], block["last_position"]
    where = number(event["tenant_id"]) + number(event["lane"])

    root = climb(event_hash(event), event["position"] - first, last - first + 1, block["path"])
    assert root.hex() == block["root"]
    stretch = number(first) + number(last)
    previous = bytes.fromhex(block["previous"])
    block_hash = sha256(b"tallygate block 1\x00", where, number(block["number"]), stretch, root, previous)
    root = climb(sha256(b"\x00", where, stretch, block_hash), seal["place"], seal["blocks"], seal["path"])
    assert root.hex() == seal["root"]
    seal_hash = sha256(
        b"tallygate seal 1\x00",
        number(seal["number"]) + number(seal["blocks"]) + number(seal["events"]),
        micros(seal["sealed_at"], SINCE_1970),
        root,
        bytes.fromhex(seal["previous"]),
        sized(seal["key_id"].encode()),
    )
    assert seal_hash.hex() == seal["hash"]
    public_key = base64.b64decode(proof["public_key"])
    assert sha256(b"tallygate seal key\x00", public_key).hex()[:16] == seal["key_id"]
    key = Ed25519PublicKey.from_public_bytes(public_key)
    key.verify(base64.b64decode(seal["signature"]), b"tallygate signed seal 1\x00" + seal_hash)


@pytest.mark.parametrize(("events", "blocks"), [(1, 3), (11, 5), (1024, 33)])
def test_the_documented_steps_check_a_proof(events: int, blocks: int) -> None:
    check_by_the_words(encode(prove(parts(2 + events, events=events, blocks=blocks))))


def test_the_documented_steps_refuse_a_changed_proof() -> None:
    file = encode(prove(parts()))
    with pytest.raises(AssertionError):
        check_by_the_words(file.replace(b"token:abc", b"token:abd"))
    signature = json.loads(file)["seal"]["signature"].encode()
    with pytest.raises(InvalidSignature):
        check_by_the_words(file.replace(signature, base64.b64encode(bytes(64))))
