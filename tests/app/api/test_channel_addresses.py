"""A channel is refused on saving when its address is one that no request could go to."""

import pytest

from tests.app.api.conftest import Person

CHANNEL = {"name": "Vendor", "type": "openai", "models": ["m"]}


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("http://127.0.0.1:8000/v1", "TALLYGATE_OUTBOUND_ALLOW"),
        ("http://169.254.169.254/", "metadata service"),
        ("http://[::ffff:10.0.0.1]/v1", "private"),
        ("http://2130706433/v1", "unusual form of a number"),
        ("https://key:secret@vendor.example/v1", "user name or password"),
        ("ftp://vendor.example/", "http"),
    ],
)
async def test_an_address_that_cannot_be_called_is_refused_with_its_reason(
    root: Person, base_url: str, words: str
) -> None:
    refused = await root.post("/channels", {**CHANNEL, "base_url": base_url})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert words in refused.json()["detail"]

    made = (await root.post("/channels", {**CHANNEL, "base_url": "https://vendor.example/v1"})).json()
    changed = await root.patch(f"/channels/{made['id']}", {"base_url": base_url}, made["version"])
    assert (changed.status_code, changed.json()["code"]) == (422, "invalid")
    assert (await root.get(f"/channels/{made['id']}")).json()["base_url"] == "https://vendor.example/v1"


async def test_an_address_of_a_websocket_is_taken_where_the_vendor_has_one(root: Person) -> None:
    spark = {**CHANNEL, "type": "spark", "base_url": "wss://spark.example"}

    made = await root.post("/channels", spark)

    assert made.status_code == 201
    assert (await root.post("/channels", {**spark, "base_url": "ws://10.0.0.1"})).status_code == 422
