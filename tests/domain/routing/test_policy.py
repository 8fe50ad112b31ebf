"""Policies: the most specific one wins; arms of an experiment keep their keys."""

from collections import Counter
from typing import Any

import pytest

from domain.admin.entities import Arm, RoutingPolicy
from domain.ids import EntityId, TenantId
from domain.routing.policy import Policies, arm_of

TENANT = TenantId(7)


def policy(name: str, **more: Any) -> RoutingPolicy:
    return RoutingPolicy(policy_id=EntityId(name), name=name, **more)


def test_the_most_specific_policy_wins() -> None:
    ladder = [
        policy("tenant-model", tenant_id=TENANT, model="m"),
        policy("tenant", tenant_id=TENANT),
        policy("group-model", user_group="gold", model="m"),
        policy("group", user_group="gold"),
        policy("model", model="m"),
        policy("all"),
    ]

    for first in range(len(ladder)):
        found = Policies(ladder[first:]).find("m", "gold", TENANT)
        assert found == ladder[first]
    assert Policies([]).find("m", "gold", TENANT) is None


def test_what_is_for_others_or_switched_off_counts_for_nothing() -> None:
    policies = Policies(
        [
            policy("another tenant", tenant_id=TenantId(8)),
            policy("another group", user_group="silver"),
            policy("another model", model="n"),
            policy("off", enabled=False),
        ]
    )

    assert policies.find("m", "gold", TENANT) is None


def test_arms_take_their_shares_of_keys_and_keep_them() -> None:
    trial = policy("trial", arms=(Arm(name="old", share=90), Arm(name="new", share=10)))
    keys = [f"user-{number}" for number in range(10_000)]

    arms = {key: arm_of(trial, key) for key in keys}

    shares = Counter(arm.name for arm in arms.values() if arm is not None)
    assert shares["new"] / 10_000 == pytest.approx(0.1, abs=0.01)
    assert all(arm_of(trial, key) == arm for key, arm in arms.items())


def test_a_growing_canary_takes_keys_from_the_other_arm_and_gives_none_back() -> None:
    keys = [f"user-{number}" for number in range(2_000)]

    def new(share: int) -> set[str]:
        trial = policy("trial", arms=(Arm(name="new", share=share), Arm(name="old", share=100 - share)))
        return {key for key in keys if (arm := arm_of(trial, key)) is not None and arm.name == "new"}

    assert new(10) < new(30) < new(100) == set(keys)
    assert new(0) == set()


def test_a_policy_without_arms_is_no_experiment() -> None:
    assert arm_of(policy("plain"), "k") is None
