"""Vendors that misbehave and clients that go: what each request costs, worked out by hand.

Where a vendor says nothing, our own count stands: 8 tokens for the prompt, and for n times "word " the tokens
"word", n - 1 times " word", and a last " ": n + 1.
"""

from typing import Any, Final

import msgspec
import pytest

from tests.faults.world import Told, World, price, until
from tests.support.fake_vendor import PROMPT_TOKENS

pytestmark = pytest.mark.faults

COUNTED_PROMPT: Final = 8
WORDS: Final = 12


@pytest.fixture(autouse=True)
async def mended(shared_world: World) -> None:
    await shared_world.mend()


async def ended(world: World, told: Told) -> dict[str, Any]:
    connection = await world.connect()
    try:
        await world.nothing_open(connection)
        return (await world.terminals(connection))[told.request_id]
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("behavior", "stream", "tokens", "basis"),
    [
        ("plain", True, (9, 20), "vendor"),
        ("plain", False, (9, 20), "vendor"),
        ("no-usage", True, (COUNTED_PROMPT, 21), "stream"),
        ("no-usage", False, (COUNTED_PROMPT, 21), "stream"),
        ("zero-usage", True, (0, 0), "vendor"),
        ("zero-usage", False, (0, 0), "vendor"),
        ("usage-twice", True, (9, 20), "vendor"),
        ("usage-in-each-chunk", True, (9, 20), "vendor"),
        ("usage-grows", True, (9, 20), "vendor"),
        ("split,chunks=2", True, (9, 2), "vendor"),
        ("long-line,after=3", True, (9, 4), "vendor"),
    ],
)
async def test_an_answer_that_came_to_its_end_costs_what_the_vendor_says_or_else_what_came(
    shared_world: World, behavior: str, *, stream: bool, tokens: tuple[int, int], basis: str
) -> None:
    shared_world.script(behavior)
    told = await shared_world.ask(stream=stream)
    terminal = await ended(shared_world, told)

    assert (told.status, told.done, told.error) == (200, True, "")
    assert (terminal["type"], terminal["captured_nanos"], terminal["basis"]) == (
        "hold.captured.v1",
        price(*tokens),
        basis,
    )


@pytest.mark.parametrize("behavior", ["half-frame", "cut-in-stream", "error-in-stream", "no-end"])
async def test_an_answer_that_broke_off_costs_what_was_delivered_and_says_so(
    shared_world: World, behavior: str
) -> None:
    shared_world.script(f"{behavior},after=3")
    told = await shared_world.ask(stream=True)
    terminal = await ended(shared_world, told)

    assert (told.status, told.done, told.words) == (200, False, 3)
    assert told.error
    assert (terminal["captured_nanos"], terminal["basis"]) == (price(COUNTED_PROMPT, 4), "stream")


@pytest.mark.parametrize(
    ("behavior", "stream"),
    [
        ("error-in-200", True),
        ("error-in-200", False),
        ("error,status=500", True),
        ("error,status=400", False),
        ("web-page", False),
        ("no-http", True),
        ("short-body", False),
        ("half-a-head", True),
        ("cut-in-stream,after=0", True),
    ],
)
async def test_nothing_is_charged_where_nothing_came(shared_world: World, behavior: str, *, stream: bool) -> None:
    shared_world.script(behavior)
    told = await shared_world.ask(stream=stream)
    terminal = await ended(shared_world, told)

    assert terminal["type"] == "hold.voided.v1"
    assert told.status >= 400
    assert told.error
    assert not told.done


@pytest.mark.parametrize("index", range(WORDS + 1))
async def test_a_client_that_goes_is_charged_for_all_that_the_vendor_did_where_its_policy_is_to_drain(
    shared_world: World, index: int
) -> None:
    await policy(shared_world, "drain")
    shared_world.script(f"plain,chunks={WORDS},delay_ms=5")
    told = await shared_world.ask(stream=True, stop_after=index)
    terminal = await ended(shared_world, told)

    metered = shared_world.vendor.meter[-1]
    assert (metered.outcome, metered.completion_tokens) == ("done", WORDS)
    assert terminal["captured_nanos"] == price(PROMPT_TOKENS, WORDS)
    # The control: what was delivered is less, but for the last index, so billing that would have shown.
    assert index == WORDS or price(PROMPT_TOKENS, told.words) < terminal["captured_nanos"]


@pytest.mark.parametrize("index", range(WORDS + 1))
async def test_a_client_that_goes_stops_the_vendor_where_its_policy_is_to_abort(
    shared_world: World, index: int
) -> None:
    await policy(shared_world, "abort")
    shared_world.script("endless,delay_ms=10")
    shared_world.vendor.gone.clear()
    told = await shared_world.ask(stream=True, stop_after=index)
    await until(shared_world.vendor.gone.is_set, "the vendor has noticed")
    terminal = await ended(shared_world, told)

    metered = shared_world.vendor.meter[-1]
    assert metered.outcome == "gone", "an endless answer ends only when somebody hangs up"
    if terminal["type"] == "hold.voided.v1":
        assert index == 0, "whoever has had a word pays for it"
        return
    charged = terminal["captured_nanos"]
    assert charged >= price(COUNTED_PROMPT, told.words), "never unbilled"
    assert charged <= price(PROMPT_TOKENS, metered.completion_tokens + 1), "never billed for what was not done"


async def policy(world: World, disconnect: str) -> None:
    tenant = await world.operator.get(f"/tenants/{world.tenant_id}")
    if tenant["disconnect"] != disconnect:
        await world.operator.change(f"/tenants/{world.tenant_id}", {"disconnect": disconnect})


async def test_after_all_of_it_the_log_is_sound(shared_world: World) -> None:
    connection = await shared_world.connect()
    assert len(shared_world.told) >= 20
    await shared_world.check(connection)

    # The control: an answer that somebody was given, and that the log does not have, is missed.
    lost = Told(status=200, request_id="00000000-0000-7000-8000-000000000000", done=True, charge="0.000218")
    doubled = msgspec.structs.replace(next(told for told in shared_world.told if told.done), charge="0.000436")
    for wrong in (lost, doubled):
        shared_world.told.append(wrong)
        with pytest.raises(AssertionError):
            await shared_world.check(connection)
        shared_world.told.remove(wrong)
    await connection.close()
