"""Reading what a request cost, from headers and receipts, in nano-units."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

NANOS = 10**9

FAKE_CHARGE_NANOS = 211_250
"""What a good answer of the fake vendor costs at 1.25 and 10 dollars a million: 9 x 1250 + 20 x 10000."""


def nanos(amount: str) -> int:
    """Give a decimal text in nano-units; fails if it is finer than that."""
    exact = Decimal(amount) * NANOS
    assert exact == int(exact), amount
    return int(exact)


def charge_of(headers: Mapping[str, str]) -> int:
    """Give what an answer says that it cost."""
    return nanos(headers["x-tallygate-charge"])


def check_receipt(receipt: Any, charged_nanos: int) -> None:
    """Fail unless a receipt explains this charge to the last nano-unit: by its lines, its factors and who paid."""
    price = receipt["price"]
    assert nanos(price["charged"]) == charged_nanos
    assert price["matches"]
    assert price["recomputed"] == price["charged"]
    lines = sum(Decimal(line["quantity"]) * Decimal(line["price"]) / line["per"] for line in price["lines"])
    exact = lines * NANOS * Decimal(price["multiplier"])
    assert round(exact) == charged_nanos
    assert sum(nanos(burn["amount"]) for burn in receipt["burnt"]) == charged_nanos
