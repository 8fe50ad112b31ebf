"""What a client, its receipt and the vendors see of routing: each test has a model and channels of its own."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import asyncpg
import pytest

from tests.faults.checks import audit
from tests.faults.world import World, nanos, price, until, world
from tests.support.fake_vendor import Metered
from tests.support.operator import Customer
from tests.support.postgres import create_database, drop_database
from tests.support.server import free_port

MODELS: Final = 60
SETTINGS: Final = {"FIRST_BYTE_TIMEOUT_SECONDS": "10", "IDLE_TIMEOUT_SECONDS": "10"}
_numbers = itertools.count()


class Told(NamedTuple):
    """What a client got."""

    status: int
    code: str
    headers: dict[str, str]
    body: bytes

    @property
    def request_id(self) -> str:
        return self.headers["x-tallygate-request-id"]


class Place(NamedTuple):
    """A model of the test's own, which costs 2 and 10 dollars per million tokens."""

    world: World
    model: str

    async def channel(self, name: str, **more: Any) -> str:
        """Connect the vendor once more; it knows the model by a name that tells the channel."""
        given = {"model_map": {self.model: self.at(name)}, **more}
        given["models"] = list(given["model_map"])
        base_url = given.pop("base_url", self.world.vendor.base_url)
        made = await self.world.operator.channel(base_url, self.model, **given)
        return str(made["id"])

    def at(self, name: str) -> str:
        return f"{self.model}-at-{name}"

    def script(self, name: str, behavior: str) -> None:
        self.world.vendor.script[self.at(name)] = f"fake:{behavior}"

    def calls(self, name: str) -> list[Metered]:
        return [metered for metered in self.world.vendor.meter if metered.model == self.at(name)]

    async def policy(self, **more: Any) -> str:
        made = await self.world.operator.post("/routing/policies", {"name": "a policy", "model": self.model, **more})
        return str(made["id"])

    async def ask(self, customer: Customer | None = None, **more: Any) -> Told:
        sent = more.pop("headers", {})
        secret = self.world.secret if customer is None else customer.secret
        body = self.world.body(stream=False) | {"model": self.model, "max_tokens": 50} | more
        async with self.world.http.post(
            f"{self.world.server.url}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {secret}", **sent},
        ) as reply:
            content = await reply.read()
            headers = {name.lower(): value for name, value in reply.headers.items()}
            code = ""
            if reply.status != 200:
                code = str((await reply.json())["error"]["code"])
            return Told(reply.status, code, headers, content)

    async def receipt(self, told: Told) -> Any:
        return await self.world.operator.receipt(told.request_id)


@pytest.fixture(scope="module")
async def running(postgres_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    dsn = await create_database(postgres_dsn)
    async with world(tmp_path_factory.mktemp("routing") / "data", SETTINGS | {"DATABASE_URL": dsn}) as made:
        prices = {f"routed-{number}": {"input": "2", "output": "10"} for number in range(MODELS)}
        dear = {f"dear-{number}": {"input": "20", "output": "100"} for number in range(MODELS)}
        await made.operator.publish({**prices, **dear})
        yield made
        connection = await asyncpg.connect(dsn)
        try:
            await made.nothing_open(connection)
            assert await audit(connection) == []
        finally:
            await connection.close()
        await made.verify()
    await drop_database(dsn)


@pytest.fixture
def place(running: World) -> Place:
    return Place(running, f"routed-{next(_numbers)}")


async def test_a_failed_channel_is_followed_by_the_next_and_the_receipt_tells_both(place: Place) -> None:
    a, b = await place.channel("a", priority=1), await place.channel("b")
    place.script("a", "error,status=500")

    told = await place.ask()

    receipt = await place.receipt(told)
    assert told.status == 200
    assert [(each["channel_id"], each["outcome"], each["status"]) for each in receipt["attempts"]] == [
        (a, "vendor_error", 500),
        (b, "completed", 200),
    ]
    assert receipt["hold"]["routing"]["candidates"] == [a, b]
    assert nanos(told.headers["x-tallygate-charge"]) == price(9, 20)


async def test_a_clients_own_fault_is_told_at_once_and_speaks_against_nobody(place: Place) -> None:
    a = await place.channel("a", priority=1)
    await place.channel("b")
    place.script("a", "error,status=400")

    told = [await place.ask() for _ in range(6)]

    assert {each.status for each in told} == {400}
    assert place.calls("b") == []
    health = await place.world.operator.get(f"/channels/{a}/health")
    assert (health["health"]["state"], health["timeline"]) == ("sound", [])


async def test_nobody_else_is_asked_once_the_client_has_had_something(place: Place) -> None:
    await place.channel("a", priority=1)
    await place.channel("b")
    place.script("a", "error-in-stream,after=3")

    told = await place.ask(stream=True)

    assert told.body.count(b"word") == 3
    assert b"[DONE]" not in told.body
    assert place.calls("b") == []


async def test_no_more_attempts_are_made_than_the_policy_allows(place: Place) -> None:
    for name in "abc":
        await place.channel(name)
        place.script(name, "error,status=500")
    await place.policy(attempts_max=2)

    told = await place.ask()

    assert (told.status, told.code) == (502, "vendor_error")
    assert sum(len(place.calls(name)) for name in "abc") == 2


@pytest.mark.parametrize(
    ("behavior", "outcome"),
    [
        ("error,status=401", "vendor_error"),
        ("error,status=402", "vendor_error"),
        ("error,status=404", "vendor_error"),
        ("error,status=429", "vendor_error"),
        ("error,status=500", "vendor_error"),
        ("error,status=503", "vendor_error"),
        ("web-page", "vendor_error"),
        ("error-in-200", "vendor_error"),
        ("half-a-head", "connect"),
        ("no-http", "protocol"),
        ("short-body", "protocol"),
        ("nobody", "connect"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_another_channel_makes_a_vendors_fault_good_and_the_attempt_is_told(
    place: Place, behavior: str, outcome: str, *, stream: bool
) -> None:
    elsewhere = {"base_url": f"http://127.0.0.1:{free_port()}"} if behavior == "nobody" else {}
    a, b = await place.channel("a", priority=1, **elsewhere), await place.channel("b")
    place.script("a", behavior)

    told = await place.ask(stream=stream)

    first, second = (await place.receipt(told))["attempts"]
    assert told.status == 200
    assert (first["channel_id"], first["outcome"]) == (a, outcome)
    assert (second["channel_id"], second["outcome"]) == (b, "completed")
    assert first["latency_milliseconds"] >= 0
    assert second["latency_milliseconds"] >= second["first_byte_milliseconds"] >= 0


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_no_other_channel_is_asked_what_its_client_did_wrong(place: Place, status: int) -> None:
    await place.channel("a", priority=1)
    await place.channel("b")
    place.script("a", f"error,status={status}")

    told = await place.ask()

    assert 400 <= told.status < 500
    assert place.calls("b") == []


async def test_no_attempt_begins_once_the_time_for_all_of_them_is_up(place: Place) -> None:
    for name in "abc":
        await place.channel(name)
        place.script(name, "slow-error,delay_ms=1200")
    await place.policy(attempts_seconds=1)

    told = await place.ask()

    assert (told.status, told.code) == (502, "vendor_error")
    assert sum(len(place.calls(name)) for name in "abc") == 1


async def test_names_are_mapped_by_the_tenant_or_the_platform_then_by_the_channel_at_the_price_that_is_declared(
    place: Place,
) -> None:
    operator = place.world.operator
    dear, own = f"dear-{place.model.removeprefix('routed-')}", f"routed-{next(_numbers)}"
    await place.channel("a")
    await place.channel("b", model_map={own: place.at("b")})
    theirs, others = await operator.customer(), await operator.customer()
    mapping = await operator.post("/mappings", {"model": dear, "target": place.model})
    tenants = await operator.post("/mappings", {"model": dear, "target": own, "tenant_id": theirs.tenant_id})
    path = f"/mappings/{tenants['id']}"

    async def ask(customer: Customer) -> tuple[str, str, int]:
        told = await place.ask(customer, model=dear)
        assert told.status == 200
        receipt = await place.receipt(told)
        assert receipt["hold"]["model_asked"] == dear
        (attempt,) = receipt["attempts"]
        return attempt["model_routed"], receipt["hold"]["model_billed"], nanos(receipt["price"]["charged"])

    plain = price(9, 20)
    assert await ask(others) == (place.at("a"), place.model, plain)
    assert await ask(theirs) == (place.at("b"), own, plain), "the tenant's own comes first"
    await operator.change(path, {"enabled": False})
    assert await ask(theirs) == (place.at("a"), place.model, plain), "switched off, it counts for nothing"
    await operator.change(path, {"enabled": True, "target": place.model})
    await operator.change(f"/mappings/{mapping['id']}", {"billed": "asked"})
    assert await ask(theirs) == (place.at("a"), place.model, plain)
    assert await ask(others) == (place.at("a"), dear, 10 * plain)
    history = (await operator.get(f"{path}/history"))["items"]
    assert [(each["version"], each["after"]["enabled"], each["after"]["target"]) for each in history] == [
        (3, True, place.model),
        (2, False, own),
        (1, True, own),
    ]


async def test_the_quickest_channel_is_asked_once_all_have_been_measured(place: Place) -> None:
    await place.channel("a")
    await place.channel("b")
    place.script("a", "slow,delay_ms=300")
    await place.policy(mode="fastest")

    assert [(await place.ask()).status for _ in range(6)] == [200] * 6

    assert (len(place.calls("a")), len(place.calls("b"))) == (1, 5)


async def test_whoever_has_less_to_do_is_asked(place: Place) -> None:
    for name in "ab":
        await place.channel(name)
        place.script(name, "hang")
    await place.policy(mode="least_busy")
    asking = []
    for count in range(1, 5):
        asking.append(asyncio.create_task(place.ask()))
        await until(lambda count=count: len(place.calls("a") + place.calls("b")) == count, "it has arrived")  # type: ignore[misc]

    assert (len(place.calls("a")), len(place.calls("b"))) == (2, 2)
    place.world.vendor.release.set()
    assert {(await each).status for each in asking} == {200}
    place.world.vendor.release.clear()


async def test_a_channel_whose_slots_are_taken_is_passed_over(place: Place) -> None:
    a = await place.channel("a", priority=1, limits={"concurrency": 1})
    await place.channel("b")
    place.script("a", "hang")
    first = asyncio.create_task(place.ask())
    await until(lambda: place.calls("a"), "the slot is taken")

    told = [await place.ask() for _ in range(3)]
    explained = await place.world.operator.post("/routing/explain", {"model": place.model})

    place.world.vendor.release.set()
    assert [each.status for each in (*told, await first)] == [200] * 4
    place.world.vendor.release.clear()
    assert (len(place.calls("a")), len(place.calls("b"))) == (1, 3)
    assert {each["channel_id"]: each["reason"] for each in explained["fell_out"]}[a] == "limit:concurrency"


async def test_what_a_person_has_switched_off_stays_off_whatever_the_machine_finds(place: Place) -> None:
    operator = place.world.operator
    a = await place.channel("a", priority=1)
    await place.channel("b")
    place.script("a", "error,status=401")
    assert (await place.ask()).status == 200
    await operator.change(f"/channels/{a}", {"enabled": False})
    place.script("a", "plain")
    await operator.post(f"/channels/{a}/health/reset", {"reason": "the key is good again"})

    assert [(await place.ask()).status for _ in range(3)] == [200] * 3

    assert len(place.calls("a")) == 1
    assert not (await operator.get(f"/channels/{a}"))["enabled"]
    explained = await operator.post("/routing/explain", {"model": place.model})
    assert {each["channel_id"]: each["reason"] for each in explained["fell_out"]}[a] == "disabled"


async def test_the_receipt_and_the_explanation_of_a_request_tell_the_same(place: Place) -> None:
    for name in "abcde":
        await place.channel(name)
    off = await place.channel("off", enabled=False)

    told = await place.ask()

    routing = (await place.receipt(told))["hold"]["routing"]
    explained = await place.world.operator.post(
        "/routing/explain", {"model": place.model, "request_id": told.request_id}
    )
    assert routing["candidates"] == [each["channel_id"] for each in explained["candidates"]]
    assert len(routing["candidates"]) == 5
    assert {each["channel_id"]: each["reason"] for each in explained["fell_out"]}[off] == "disabled"


async def test_a_vendor_is_left_alone_for_as_long_as_it_asks(place: Place) -> None:
    a = await place.channel("a", priority=1)
    await place.channel("b")
    place.script("a", "error,status=429,retry_after=60")

    assert [(await place.ask()).status for _ in range(3)] == [200] * 3

    assert len(place.calls("a")) == 1
    explained = await place.world.operator.post("/routing/explain", {"model": place.model})
    reasons = {each["channel_id"]: each["reason"] for each in explained["fell_out"]}
    assert reasons[a] == "unhealthy:paused"


async def test_all_being_left_alone_is_a_503_that_says_for_how_long(place: Place) -> None:
    await place.channel("a")
    place.script("a", "error,status=429,retry_after=60")
    assert (await place.ask()).status == 429

    told = await place.ask()

    assert (told.status, told.code) == (503, "no_channel_available")
    assert 50 <= int(told.headers["retry-after"]) <= 60


async def test_of_several_keys_the_refused_one_is_left_out_and_no_client_hears_of_it(place: Place) -> None:
    keys = [f"sk-{place.model}-{number}" for number in range(3)]
    place.world.vendor.script[keys[1]] = "fake:error,status=401"
    channel = await place.channel("a", key="\n".join(keys))

    told = [await place.ask() for _ in range(40)]

    assert {each.status for each in told} == {200}
    used = Counter(metered.key for metered in place.calls("a"))
    assert used[keys[1]] == 1
    assert used[keys[0]] > 5
    assert used[keys[2]] > 5
    health = await place.world.operator.get(f"/channels/{channel}/health")
    assert health["health"]["state"] == "sound", "two keys are left"
    assert [entry["key"] for entry in health["timeline"] if entry["kind"] == "changed"] == [2]


async def test_the_next_model_of_the_chain_answers_at_its_own_price_or_at_that_of_the_one_asked_for(
    place: Place,
) -> None:
    await place.channel("a")
    place.script("a", "error,status=500")
    dear = f"dear-{place.model.removeprefix('routed-')}"
    await place.channel("dear", model_map={dear: place.at("dear")})
    policy = await place.policy(fallbacks=[dear])

    routed = await place.ask()
    await place.world.operator.change(f"/routing/policies/{policy}", {"fallback_billed": "asked"})
    asked = await place.ask()

    assert (routed.status, nanos(routed.headers["x-tallygate-charge"])) == (200, 10 * price(9, 20))
    assert (asked.status, nanos(asked.headers["x-tallygate-charge"])) == (200, price(9, 20))
    first, second = await place.receipt(routed), await place.receipt(asked)
    assert nanos(first["hold"]["authorized"]) > nanos(second["hold"]["authorized"]), "the hold covers the dearest"


async def test_a_second_channel_is_asked_beside_a_slow_one_and_both_costs_are_booked(place: Place) -> None:
    cost = {"models": {place.at(name): {"input": "1", "output": "4"} for name in "ab"}, "use": "cost"}
    made = await place.world.operator.post("/rate-cards", {**cost, "effective_from": "2026-01-01T00:00:00Z"})
    await place.world.operator.post(
        f"/rate-cards/{made['id']}/publish", {"force": True}, **{"if-match": f'"{made["version"]}"'}
    )
    slow = await place.channel("a", priority=1, cost_card_id=made["series_id"])
    quick = await place.channel("b", cost_card_id=made["series_id"])
    place.script("a", "slow,delay_ms=8000")
    await place.policy(hedge_milliseconds=100)

    for stream in (False, True):
        began = time.monotonic()
        told = await place.ask(stream=stream)

        assert told.status == 200
        assert time.monotonic() - began < 6
        receipt = await place.receipt(told)
        outcomes = {each["channel_id"]: each for each in receipt["attempts"]}
        assert {each: outcomes[each]["outcome"] for each in outcomes} == {slow: "hedge_lost", quick: "completed"}
        assert nanos(outcomes[quick]["cost"]) == 9 * 1000 + 20 * 4000
        assert nanos(outcomes[slow]["cost"]) > 0, "a vendor that was hung up on bills the prompt at least"
        assert receipt["state"] == "captured"
        assert nanos(receipt["price"]["charged"]) == price(9, 20)
    health = await place.world.operator.get(f"/channels/{slow}/health")
    assert health["health"]["state"] == "sound", "who is hung up on has done nothing wrong"
    assert health["in_flight"] == 0


async def test_of_two_that_are_asked_beside_each_other_the_second_may_fail(place: Place) -> None:
    slow, _ = await place.channel("a", priority=1), await place.channel("b")
    place.script("a", "slow,delay_ms=500")
    place.script("b", "error,status=500")
    await place.policy(hedge_milliseconds=100)

    told = await place.ask()

    assert told.status == 200
    outcomes = [(each["channel_id"], each["outcome"]) for each in (await place.receipt(told))["attempts"]]
    assert (slow, "completed") in outcomes
    assert len(outcomes) == 2


async def test_a_conversation_sticks_to_its_channel_until_that_fails(place: Place) -> None:
    for name in "abc":
        await place.channel(name)
    await place.policy(mode="sticky", sticky_by="conversation")
    turns: list[dict[str, str]] = [{"role": "user", "content": "Hello"}]

    for _ in range(8):
        assert (await place.ask(messages=turns)).status == 200
        turns += [{"role": "assistant", "content": "word"}, {"role": "user", "content": "And?"}]

    (chosen,) = (name for name in "abc" if place.calls(name))
    place.script(chosen, "error,status=500")
    assert (await place.ask(messages=turns)).status == 200
    assert sum(len(place.calls(name)) for name in "abc" if name != chosen) == 1


async def test_the_cheapest_channel_for_the_request_is_asked(place: Place) -> None:
    cards = {}
    for name, output in (("dear", "40"), ("cheap", "4")):
        body = {"use": "cost", "models": {place.at(name): {"input": "1", "output": output}}}
        made = await place.world.operator.post("/rate-cards", {**body, "effective_from": "2026-01-01T00:00:00Z"})
        await place.world.operator.post(
            f"/rate-cards/{made['id']}/publish", {"force": True}, **{"if-match": f'"{made["version"]}"'}
        )
        cards[name] = made["series_id"]
    for name, card in cards.items():
        await place.channel(name, cost_card_id=card)
    await place.policy(mode="cheapest")

    assert [(await place.ask()).status for _ in range(6)] == [200] * 6

    assert (len(place.calls("cheap")), len(place.calls("dear"))) == (6, 0)


async def test_arms_of_an_experiment_are_compared(place: Place) -> None:
    await place.channel("a", channel_groups=["default"])
    await place.world.operator.post("/groups", {"side": "channel", "label": "trial", "name": "On trial"})
    await place.channel("b", channel_groups=["trial"])
    policy = await place.policy(
        arms=[
            {"name": "old", "share": 1, "channel_groups": ["default"]},
            {"name": "new", "share": 1, "channel_groups": ["trial"]},
        ],
    )

    for number in range(20):
        for _ in range(2):
            assert (await place.ask(user=f"person-{number}")).status == 200

    arms: dict[str, Any] = {}

    async def all_are_in() -> bool:
        report = await place.world.operator.get(f"/routing/policies/{policy}/report")
        arms.update({arm["arm"]: arm for arm in report["arms"]})
        return bool(sum(arm["requests"] for arm in arms.values()) >= 40)

    await until(all_are_in, "the read model has every request")
    assert arms["old"]["requests"] == len(place.calls("a")) >= 2
    assert arms["new"]["requests"] == len(place.calls("b")) >= 2
    assert arms["old"]["requests"] + arms["new"]["requests"] == 40
    assert arms["old"]["completed"] == arms["old"]["requests"]
    assert arms["new"]["tokens_mean"] == 29
    assert nanos(arms["new"]["charged"]) == arms["new"]["requests"] * price(9, 20)
    by_person = Counter((metered.body["user"], metered.model) for metered in [*place.calls("a"), *place.calls("b")])
    assert set(by_person.values()) == {2}, "each person stays in one arm"


async def test_a_request_too_long_for_a_channel_goes_elsewhere_or_is_refused(place: Place) -> None:
    await place.channel("short", priority=1, context_tokens_max=60)
    long = await place.channel("long", context_tokens_max=5000)
    wordy = [{"role": "user", "content": "many words " * 100}]

    assert (await place.ask(messages=wordy)).status == 200
    assert (len(place.calls("short")), len(place.calls("long"))) == (0, 1)
    await place.world.operator.change(f"/channels/{long}", {"enabled": False})
    told = await place.ask(messages=wordy)

    assert (told.status, told.code) == (400, "context_length_exceeded")


async def test_a_stream_is_given_again_with_its_own_charge(place: Place) -> None:
    await place.channel("a")
    customer = await place.world.operator.customer(token={"cache_seconds": 60})

    fresh = await place.ask(customer, stream=True)
    again = await place.ask(customer, stream=True)
    plain = await place.ask(customer)
    stored = await place.ask(
        customer, messages=[{"role": "user", "content": "x"}], headers={"cache-control": "no-store"}
    )
    missed = await place.ask(customer, messages=[{"role": "user", "content": "x"}])

    assert [each.headers["x-tallygate-cache"] for each in (fresh, again, plain, stored, missed)] == [
        "miss",
        "hit",
        "miss",
        "miss",
        "miss",
    ]
    assert again.headers["content-type"] == fresh.headers["content-type"]
    assert b"charge=0.000218 " in fresh.body
    assert b"charge=0 " in again.body
    without = [
        b"\n".join(line for line in each.body.split(b"\n") if not line.startswith(b": ")) for each in (fresh, again)
    ]
    assert without[0] == without[1]
    assert len(place.calls("a")) == 4


async def test_a_hit_costs_what_the_operator_asks_and_is_no_other_tenants(place: Place) -> None:
    await place.channel("a")
    one = await place.world.operator.customer(token={"cache_seconds": 60})
    other = await place.world.operator.customer(token={"cache_seconds": 60})
    await place.world.operator.set("cache_hit_percent", 25)
    try:
        told = [await place.ask(customer) for customer in (one, one, other)]
    finally:
        await place.world.operator.set("cache_hit_percent", 0)

    assert [each.headers["x-tallygate-cache"] for each in told] == ["miss", "hit", "miss"]
    charges = [nanos(each.headers["x-tallygate-charge"]) for each in told]
    assert charges == [price(9, 20), price(9, 20) // 4, price(9, 20)]
    receipt = await place.receipt(told[1])
    assert receipt["attempts"] == []
    assert any("cache" in line for line in receipt["text"])
