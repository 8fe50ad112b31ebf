from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.grants.events import CodeRedeemed, CreditAdjusted, CreditGranted, CreditLapsed
from domain.holds.events import Attempt, HoldCaptured, HoldExpired
from domain.ids import EntityId, HoldId
from domain.metering.usage import TokenUsage
from domain.postings import Posting, postings, unbalanced
from domain.pricing.charge import ChargeFactors

ID = EntityId("01990000-0000-7000-8000-000000000001")
nanos = st.integers(min_value=1, max_value=10**18)


def granted(amount: int, **fields: Any) -> CreditGranted:
    paid = CreditGranted(grant_id=ID, kind="paid", source="top_up", amount_nanos=amount)
    return msgspec.structs.replace(paid, **fields)


def captured(amount: int) -> HoldCaptured:
    return HoldCaptured(
        hold_id=HoldId(ID),
        captured_nanos=amount,
        basis="vendor",
        usage=TokenUsage(),
        factors=ChargeFactors((), Decimal(1)),
        token_id=ID,
        user_id=ID,
        surface="chat",
        model_asked="m",
        model_routed="m",
        model_billed="m",
        channel_id=ID,
        card_id=ID,
        card_version=1,
        outcome="completed",
        attempt=Attempt(channel_id=ID, model_routed="m", outcome="completed"),
    )


@pytest.mark.parametrize(
    ("grant", "book"),
    [
        (granted(5), "cash"),
        (granted(5, kind="promotional", source="redemption"), "promotions"),
        (granted(5, kind="allowance", source="allowance"), "allowances"),
        (granted(5, source="refund"), "refunds"),
        (granted(5, kind="promotional", source="adjustment"), "corrections"),
    ],
)
def test_credit_comes_from_the_book_that_its_kind_names(grant: CreditGranted, book: str) -> None:
    assert [posting.book for posting in postings(grant, [5])] == ["wallet", book]
    redeemed = CodeRedeemed(claim_id="", batch_id=ID, user_id=ID, grant=grant)
    assert postings(redeemed, [5]) == postings(grant, [5])


@given(nanos, st.integers(min_value=0, max_value=10**18))
def test_credit_that_repays_a_debt_still_sums_to_zero(amount: int, owed: int) -> None:
    repaid = min(amount, owed)
    assert unbalanced(postings(granted(amount), [amount, -repaid, repaid])) == {}


@given(st.lists(nanos, min_size=1, max_size=5))
def test_what_several_grants_pay_is_revenue(parts: list[int]) -> None:
    made = postings(captured(sum(parts)), [-part for part in parts])

    assert made == (Posting("wallet", "USD", -sum(parts)), Posting("revenue", "USD", sum(parts)))
    assert unbalanced(made) == {}


@given(nanos)
def test_what_lapses_is_breakage_and_what_is_taken_back_a_correction(amount: int) -> None:
    assert postings(CreditLapsed(grant_id=ID), [-amount])[1] == Posting("breakage", "USD", amount)
    taken = postings(CreditAdjusted(amount_nanos=amount, reason=""), [-amount])
    assert taken[1] == Posting("corrections", "USD", amount)


@given(nanos, st.integers(min_value=-(10**18), max_value=10**18))
def test_any_other_amount_does_not_balance(amount: int, posted: int) -> None:
    left = unbalanced(postings(captured(amount), [posted]))

    assert left == ({} if posted == -amount else {"USD": posted + amount})


def test_a_grant_that_lapses_upwards_does_not_balance() -> None:
    assert unbalanced(postings(CreditLapsed(grant_id=ID), [3])) == {"USD": 3}


def test_what_moves_no_money_has_no_postings() -> None:
    assert postings(HoldExpired(hold_id=HoldId(ID)), []) == ()
    assert unbalanced(postings(HoldExpired(hold_id=HoldId(ID)), [-2])) == {"USD": -2}


def test_currencies_are_not_mixed() -> None:
    made = (*postings(granted(5, currency="EUR"), [5]), Posting("wallet", "USD", 5))
    assert unbalanced(made) == {"USD": 5}
