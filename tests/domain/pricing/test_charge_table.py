"""The hand-worked charges of charges.json; the expected figures are literals there, never computed here."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.errors import TallygateError
from domain.metering.usage import TokenUsage
from domain.money import AmountRangeError
from domain.pricing.charge import AllowanceExhaustedError, charge, check_allowance, reprice
from domain.pricing.rate_card import ModelPrice

TABLE: dict[str, Any] = json.loads(Path(__file__).with_name("charges.json").read_text(encoding="utf-8"))
PRICES = {name: msgspec.convert(fields, ModelPrice) for name, fields in TABLE["prices"].items()}
ALL: list[dict[str, Any]] = TABLE["charges"]
PRICED = [row for row in ALL if row["want_nanos"] is not None]
REFUSED = [row for row in ALL if "refused" in row]
ALLOWANCES = [row for row in ALL if "allowance" in row]


def by_name(row: dict[str, Any]) -> str:
    return str(row["name"])


def usage_of(row: dict[str, Any]) -> TokenUsage:
    return msgspec.convert(row["usage"], TokenUsage)


def test_the_table_is_as_large_as_promised_and_every_row_says_why() -> None:
    assert len(ALL) >= 60
    assert len({row["name"] for row in ALL}) == len(ALL)
    assert all(row["why"] for row in ALL)
    assert {row["price"] for row in ALL} == set(PRICES)


@pytest.mark.parametrize("row", PRICED, ids=by_name)
def test_a_charge_is_what_was_worked_out_by_hand(row: dict[str, Any]) -> None:
    made = charge(usage_of(row), PRICES[row["price"]], Decimal(row["multiplier"]))

    assert made.amount_nanos == row["want_nanos"]
    assert reprice(made.factors) == row["want_nanos"]
    assert made.factors.input_tokens_from == row.get("tier", 0)


@pytest.mark.parametrize("row", REFUSED, ids=by_name)
def test_a_charge_that_cannot_be_booked_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(TallygateError) as refusal:
        charge(usage_of(row), PRICES[row["price"]], Decimal(row["multiplier"]))

    assert isinstance(refusal.value, AmountRangeError)
    assert refusal.value.code == row["refused"]


@pytest.mark.parametrize("row", ALLOWANCES, ids=by_name)
def test_a_free_group_pays_from_its_allowance_and_is_refused_at_its_end(row: dict[str, Any]) -> None:
    allowance = row["allowance"]
    due = charge(usage_of(row), PRICES[row["price"]], Decimal(row["multiplier"])).due

    assert due.wallet_nanos == row["want_nanos"]
    assert due.allowance_nanos == allowance["due"]
    if allowance["after"] is None:
        with pytest.raises(AllowanceExhaustedError):
            check_allowance(due.allowance_nanos, allowance["before"])
    else:
        assert check_allowance(due.allowance_nanos, allowance["before"]) == allowance["after"]
