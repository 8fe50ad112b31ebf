"""Checks the chain of seals: signatures, what each commits to, and the heads that were published."""

from collections.abc import Callable, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from adapters.postgres import seals
from app.verification.state import State
from domain.proof.checks import Head, SealChain
from domain.proof.seals import START, Tip
from domain.verification import FINDINGS_MAX, Finding

if TYPE_CHECKING:
    from adapters.postgres.seals import Connection

_PAGE_SEALS: Final = 50


class AnchorError(Exception):
    """A file of published heads cannot be used."""


def read_anchors(path: Path) -> dict[int, str]:
    """Give the hashes of a file of heads by the number of their seal; AnchorError if two contradict, or none is there.

    A line that was cut off by a crash is passed over: the one after it repeats what it said.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise AnchorError(f"{path} cannot be read: {error.strerror}") from None
    anchors: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        try:
            head = msgspec.json.decode(line, type=Head)
        except msgspec.DecodeError:
            continue
        if anchors.setdefault(head.number, head.hash) != head.hash:
            raise AnchorError(f"line {number} of {path} says something else of seal {head.number} than a line before")
    if not anchors:
        raise AnchorError(f"there is no published head in {path}: each line is the JSON of one")
    return anchors


async def check_seals(
    connection: "Connection",
    state: State,
    trusted_keys: Mapping[str, bytes],
    anchors: Mapping[int, str],
    on_page: Callable[[int], None],
) -> None:
    """Check every seal; what is found goes to the state. `on_page` hears how many events the seals so far hold."""
    tip = Tip(*state.seals) if state.seals is not None else START
    chain = SealChain(trusted_keys, anchors, tip)
    while page := await seals.read_seals(connection, chain.tip.number, _PAGE_SEALS):
        first, last = page[0].signed.seal.number, page[-1].signed.seal.number
        claimed = await seals.read_claimed(connection, first, last)
        by_seal = {number: list(blocks) for number, blocks in groupby(claimed, attrgetter("seal"))}
        for stored in page:
            chain.seal(stored, by_seal.get(stored.signed.seal.number, []))
        _keep(state, chain)
        on_page(chain.events)
    chain.finish(await seals.read_orphans(connection, FINDINGS_MAX))
    _keep(state, chain)


def _keep(state: State, chain: SealChain) -> None:
    """Move what was found, and how far the check is, to the state, together."""
    state.findings += tuple(Finding(*each[:3], "seal", each.message) for each in chain.findings)
    chain.findings.clear()
    if chain.tip.number:
        state.seals = (chain.tip.number, chain.tip.hash)
