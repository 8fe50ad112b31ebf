"""What credit is left at a vendor, as the operator reads it of a channel: the running server before a strict script."""

import pytest

from tests.support.operator import Operator
from tests.support.scripted_vendor import ScriptedVendor, Step

LEFT = (
    b'{"is_available":true,"balance_infos":[{"currency":"CNY","total_balance":"110.00","granted_balance":"10.00",'
    b'"topped_up_balance":"100.00"}]}'
)


def asked_for(answer: bytes, status: int = 200) -> Step:
    """Give DeepSeek's page about credit, which a stranger to the key does not get."""
    return Step(
        method="GET",
        path="/user/balance",
        headers={"Authorization": "Bearer sk-vendor"},
        answer=answer,
        status=status,
    )


async def connected(operator: Operator, vendor: ScriptedVendor) -> str:
    """Connect DeepSeek where the script is, and give the address of its credit."""
    made = await operator.channel(vendor.url, "acme-judge", type="deepseek", enabled=False)
    return f"/channels/{made['id']}/balance"


async def test_the_credit_left_at_a_vendor_is_told_by_currency_to_the_cent(operator: Operator) -> None:
    async with ScriptedVendor(asked_for(LEFT)) as vendor:
        path = await connected(operator, vendor)
        told = await operator.get(path)

        vendor.check()
        assert vendor.seen == ["GET /user/balance"]
    assert told == {"items": [{"currency": "CNY", "amount": "110.00"}]}


@pytest.mark.parametrize(
    ("answer", "status"), [(b'{"error":{"message":"Authentication Fails sk-vendor"}}', 401), (b"Bad Gateway", 502)]
)
async def test_a_vendor_that_does_not_tell_is_a_problem_in_words_without_the_key(
    operator: Operator, answer: bytes, status: int
) -> None:
    async with ScriptedVendor(asked_for(answer, status)) as vendor:
        path = await connected(operator, vendor)
        with pytest.raises(AssertionError, match=r"502.*vendor_failed") as refused:
            await operator.get(path)

        vendor.check()
    assert "sk-vendor" not in str(refused.value)


async def test_no_currency_is_made_up_of_an_answer_that_says_nothing(operator: Operator) -> None:
    async with ScriptedVendor(asked_for(b'{"is_available":true,"balance_infos":[]}')) as vendor:
        assert await operator.get(await connected(operator, vendor)) == {"items": []}
        vendor.check()
