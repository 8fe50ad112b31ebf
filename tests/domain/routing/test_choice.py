"""The choice: shares, what falls out and why, and what each mode prefers."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.admin.entities import Channel, Limits
from domain.ids import EntityId
from domain.routing.chance import Draws, seed_of
from domain.routing.choice import Candidate, Decision, Need, Now, Pools, Traits, decide, retry_milliseconds
from domain.routing.health import Health

NOW = 1_800_000_000_000
ASK = Need()


def channel(name: str, **more: Any) -> Channel:
    fields: dict[str, Any] = {"type": "demo", "models": ("m",)}
    return Channel(channel_id=EntityId(name), name=name, **(fields | more))


def names(decision: Decision) -> list[str]:
    return [candidate.member.channel_id for candidate in decision.candidates]


def reasons(decision: Decision) -> dict[str, str]:
    return {out.channel.channel_id: out.reason for out in decision.fell_out}


def choose(*channels: Channel, need: Need = ASK, seed: int = 1, now: Now | None = None, **more: Any) -> Decision:
    traits = more.pop("traits", None)
    return decide(Pools(channels, traits).members("m"), need, now or Now(milliseconds=NOW), seed=seed, **more)


def test_shares_of_first_choices_follow_the_weights_within_one_percent() -> None:
    members = Pools([channel("a", weight=70), channel("b", weight=30)]).members("m")
    now = Now(milliseconds=NOW)
    seeds = Draws(7)

    firsts = Counter(names(decide(members, ASK, now, seed=int(seeds() * 2**63)))[0] for _ in range(10_000))

    assert firsts["a"] / 10_000 == pytest.approx(0.7, abs=0.01)


def test_shares_hold_for_the_seeds_of_request_ids_made_one_after_another() -> None:
    members = Pools([channel("a", weight=70), channel("b", weight=30)]).members("m")
    now = Now(milliseconds=NOW)
    ids = [f"019ab000-0000-7000-8000-{number:012x}" for number in range(10_000)]

    firsts = Counter(names(decide(members, ASK, now, seed=seed_of(each)))[0] for each in ids)

    assert firsts["a"] / 10_000 == pytest.approx(0.7, abs=0.01)


def test_whoever_is_left_gets_each_place_by_weight_and_a_weight_of_0_the_last() -> None:
    weights = {"a": 1, "b": 2, "c": 3, "z": 0}
    members = Pools([channel(name, weight=weight) for name, weight in weights.items()]).members("m")
    now = Now(milliseconds=NOW)
    seeds = Draws(11)

    orders = Counter("".join(names(decide(members, ASK, now, seed=int(seeds() * 2**63)))) for _ in range(12_000))

    assert len(orders) == 6
    for order, count in orders.items():
        first, second, third, _ = (weights[name] for name in order)
        assert count / 12_000 == pytest.approx(first / 6 * second / (second + third), abs=0.015), order


def test_the_same_seed_makes_the_same_decision() -> None:
    channels = [channel(str(number)) for number in range(6)]

    assert choose(*channels, seed=42) == choose(*channels, seed=42)
    assert len({tuple(names(choose(*channels, seed=seed))) for seed in range(50)}) > 40


def test_each_channel_that_falls_out_says_why() -> None:
    traits = {"openai": Traits(surfaces=frozenset({"embeddings"})), "demo": Traits(capabilities=frozenset({"tools"}))}
    now = Now(
        milliseconds=NOW,
        health={
            EntityId("ill"): Health(percent=0, cause="timeout"),
            EntityId("refused"): Health(out="auth"),
            EntityId("paused"): Health(paused_until_milliseconds=NOW + 1),
        },
        limits={EntityId("used-up"): ("requests_per_minute", NOW + 9_000)},
    )
    decision = choose(
        channel("good"),
        channel("off", enabled=False),
        channel("elsewhere", channel_groups=("beta",)),
        channel("other-surface", type="openai"),
        channel("short", context_tokens_max=99),
        channel("tried", weight=1),
        channel("ill"),
        channel("refused"),
        channel("paused"),
        channel("used-up", limits=Limits(requests_per_minute=1)),
        need=Need(
            tokens=100,
            channel_groups=frozenset({"default"}),
            excluded=frozenset({EntityId("tried")}),
            capabilities=frozenset({"tools"}),
        ),
        now=now,
        traits=traits,
    )

    assert names(decision) == ["good"]
    assert reasons(decision) == {
        "off": "disabled",
        "elsewhere": "channel_group",
        "other-surface": "surface",
        "short": "context",
        "tried": "excluded",
        "ill": "unhealthy:timeout",
        "refused": "unhealthy:auth",
        "paused": "unhealthy:paused",
        "used-up": "limit:requests_per_minute",
    }


def test_a_channel_without_what_is_asked_for_names_the_first_thing_that_it_lacks() -> None:
    lacking = channel("a")
    traits = {"demo": Traits(capabilities=frozenset({"images"}))}

    decision = choose(lacking, need=Need(capabilities=frozenset({"tools", "images"})), traits=traits)

    assert reasons(decision) == {"a": "capability:tools"}


def test_a_channel_that_does_not_serve_the_model_is_told_to_those_who_ask() -> None:
    pools = Pools([channel("a"), channel("b", models=("other",)), channel("c", models=("x",), model_map={"m": "x"})])

    assert [member.model_routed for member in pools.members("m")] == ["m", "x"]
    assert [(out.channel.name, out.reason) for out in pools.others("m")] == [("b", "model")]


def test_a_higher_priority_comes_first_whatever_the_mode() -> None:
    low = channel("low", weight=1000)
    high = channel("high", weight=1, priority=5)
    now = Now(milliseconds=NOW, first_byte_milliseconds={EntityId("high"): 900.0, EntityId("low"): 1.0})

    for mode in ("weighted", "cheapest", "fastest", "least_busy", "sticky"):
        decision = choose(low, high, need=Need(key="k"), now=now, mode=mode, cost=lambda _: 1)
        assert names(decision) == ["high", "low"], mode


def test_the_cheapest_comes_first_and_an_unknown_cost_last() -> None:
    costs = {"a": 30, "b": None, "c": 10}

    decision = choose(*(channel(name) for name in costs), mode="cheapest", cost=lambda member: costs[member.channel_id])

    assert names(decision) == ["c", "a", "b"]


def test_the_fastest_comes_first_after_those_that_were_never_measured() -> None:
    now = Now(milliseconds=NOW, first_byte_milliseconds={EntityId("a"): 80.0, EntityId("b"): 20.0})

    assert names(choose(channel("a"), channel("b"), channel("new"), now=now, mode="fastest")) == ["new", "b", "a"]


def test_the_least_busy_for_its_weight_comes_first() -> None:
    now = Now(milliseconds=NOW, busy={EntityId("big"): 10, EntityId("small"): 2})

    assert names(choose(channel("big", weight=100), channel("small", weight=10), now=now, mode="least_busy")) == [
        "big",
        "small",
    ]


def test_a_sticky_key_stays_with_its_channel_and_keys_spread_by_weight() -> None:
    members = Pools([channel("a", weight=70), channel("b", weight=30)]).members("m")
    now = Now(milliseconds=NOW)

    def first(key: str, seed: int) -> str:
        return names(decide(members, Need(key=key), now, seed=seed, mode="sticky"))[0]

    assert all(first("one", seed) == first("one", 0) for seed in range(100))
    shares = Counter(first(f"user-{number}", number) for number in range(10_000))
    assert shares["a"] / 10_000 == pytest.approx(0.7, abs=0.015)


def test_a_sticky_key_yields_to_failure_comes_back_and_moves_nobody_else() -> None:
    members = Pools([channel(name) for name in "abcd"]).members("m")
    keys = [f"user-{number}" for number in range(500)]

    def homes(now: Now) -> dict[str, str]:
        return {key: names(decide(members, Need(key=key), now, seed=1, mode="sticky"))[0] for key in keys}

    before = homes(Now(milliseconds=NOW))
    without = homes(Now(milliseconds=NOW, health={EntityId("a"): Health(percent=0, cause="timeout")}))

    assert homes(Now(milliseconds=NOW)) == before
    assert "a" not in without.values()
    assert all(without[key] == home for key, home in before.items() if home != "a")


def test_nobody_being_left_says_when_to_ask_again() -> None:
    now = Now(
        milliseconds=NOW,
        health={EntityId("a"): Health(paused_until_milliseconds=NOW + 7_000)},
        limits={EntityId("b"): ("concurrency", NOW + 2_500)},
    )

    decision = choose(channel("a"), channel("b"), now=now)

    assert decision.candidates == ()
    assert retry_milliseconds(decision, now) == 2_500


members_drawn: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        weight=st.integers(0, 1000),
        priority=st.integers(-2, 2),
        enabled=st.booleans(),
    ),
    max_size=8,
)
healths = st.sampled_from(
    [
        Health(),
        Health(percent=0, cause="timeout"),
        Health(percent=40, cause="server"),
        Health(out="quota"),
        Health(paused_until_milliseconds=NOW + 1),
        Health(paused_until_milliseconds=NOW),
    ]
)


@given(members_drawn, st.data(), st.sampled_from(["weighted", "cheapest", "fastest", "least_busy", "sticky"]))
def test_no_channel_is_chosen_that_is_off_out_used_up_or_excluded_and_every_other_once(
    drawn: list[dict[str, Any]], data: st.DataObject, mode: Any
) -> None:
    channels = [channel(str(number), **fields) for number, fields in enumerate(drawn)]
    ids = [each.channel_id for each in channels]
    health = {each: data.draw(healths) for each in ids}
    used_up = {each: ("tokens_per_minute", NOW + 1) for each in ids if data.draw(st.booleans())}
    excluded = frozenset(each for each in ids if data.draw(st.booleans()))
    now = Now(milliseconds=NOW, health=health, limits=used_up)

    decision = choose(*channels, need=Need(excluded=excluded, key="k"), now=now, mode=mode, cost=lambda _: 1)

    fit = {
        each.channel_id
        for each in channels
        if each.enabled
        and each.channel_id not in excluded
        and each.channel_id not in used_up
        and health[each.channel_id].why_out(NOW) is None
    }
    assert sorted(names(decision)) == sorted(fit)
    assert set(reasons(decision)) == set(ids) - fit
    tiers = [candidate.member.channel.priority for candidate in decision.candidates]
    assert tiers == sorted(tiers, reverse=True)


@given(
    st.integers(0, 500), st.integers(1, 500), st.integers(1, 1000), st.integers(0, 2**62), st.sampled_from(["w", "s"])
)
def test_more_weight_never_loses_a_request(weight: int, more: int, other: int, seed: int, how: str) -> None:
    """Whoever has a request, or a key, keeps it when its own weight grows."""

    def first(own: int) -> str:
        need = Need(key=str(seed))
        mode: Any = "weighted" if how == "w" else "sticky"
        return names(choose(channel("a", weight=own), channel("b", weight=other), need=need, seed=seed, mode=mode))[0]

    if first(weight) == "a":
        assert first(weight + more) == "a"


def test_a_candidate_names_its_effective_weight() -> None:
    now = Now(milliseconds=NOW, health={EntityId("a"): Health(percent=40, cause="timeout")})

    (only,) = choose(channel("a", weight=70), now=now).candidates

    assert msgspec.structs.replace(only) == Candidate(member=only.member, weight=28)
