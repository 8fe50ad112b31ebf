"""Channel types as the console needs them, and what a scripted vendor says about a channel."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

import pytest

from adapters.channel_types import TYPES
from adapters.channel_types.key_prefixes import KEY_PREFIXES, types_of_key
from adapters.clock import now
from adapters.ids import new_id
from app.api.router import make_api
from app.relay.inspection import Inspection
from app.relay.vendors import Vendors
from domain.admin.entities import Channel
from domain.relay.ports import Timeouts, VendorRequest
from domain.relay.vendor_errors import VendorError
from tests.app.api.conftest import Person, World, shared_application

SECRET = "sk-very-secret-key"
MODELS = b'{"object":"list","data":[{"id":"gpt-5"},{"id":"gpt-5-mini"}]}'
REFUSED = b'{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}'


class Reply:
    """An answer of the scripted vendor."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"Content-Type": "application/json"}
        self._body = body

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def read(self, bytes_max: int) -> bytes:
        return self._body[:bytes_max]

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def close(self) -> None:
        return None


class Vendor:
    """A vendor that knows one key."""

    def __init__(self) -> None:
        self.asked: list[VendorRequest] = []

    async def send(self, request: VendorRequest) -> Reply:
        self.asked.append(request)
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return Reply(401, REFUSED)
        return Reply(200, MODELS)


def _keys(channel: Channel, number: int) -> str:
    if channel.key_version == 0:
        raise VendorError("auth", vendor_code="channel_key_unreadable")
    return [SECRET, "sk-another"][number - 1]


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
async def operator(world: World, vendor: Vendor) -> AsyncIterator[Person]:
    vendors = Vendors(TYPES, {"https": vendor}, Timeouts(), now=lambda: dt.datetime.now(dt.UTC))
    api = make_api(
        administration=world.administration,
        wallets=world.wallets,
        pool=world.pool,
        secure_cookies=False,
        inspection=Inspection(vendors, new_id, _keys),
        clock=now,
    )
    async with world.client_of(shared_application(api)) as client:
        yield (await world.person("root")).on(client)


async def _saved(operator: Person, key: str = SECRET) -> str:
    made = await operator.post("/channels", {"name": "Vendor", "type": "openai", "key": key, "models": ["gpt-5"]})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_every_type_tells_what_its_form_needs(operator: Person) -> None:
    items = (await operator.get("/channel-types")).json()["items"]

    assert {each["name"] for each in items} == set(TYPES)
    by_name = {each["name"]: each for each in items}
    for each in items:
        assert all(each["title"].values()), each["name"]
        assert each["needs_base_url"] == (each["base_url"] == "")
        assert all(all(field["title"].values()) for field in each["fields"]), each["name"]
    assert [field["name"] for field in by_name["bedrock"]["fields"]] == ["region", "unpriced_tools"]
    assert by_name["openai"]["lists_models"]
    assert by_name["palm"]["retired"]["en"]


def test_known_beginnings_of_keys_name_types_that_exist_the_longest_first() -> None:
    assert {name for names in KEY_PREFIXES.values() for name in names} <= set(TYPES)
    assert types_of_key("sk-ant-api03") == ("anthropic",)
    assert types_of_key("sk-1234")[0] == "openai"
    assert types_of_key("nobody's") == ()


async def test_a_key_is_guessed_from_its_first_characters_only(operator: Person) -> None:
    guess = await operator.post("/channel-types/detect", {"key_start": "gsk_ab"})
    assert guess.json() == {"types": ["groq"]}
    assert (await operator.post("/channel-types/detect", {"key_start": SECRET})).status_code == 400


async def test_a_channel_is_tried_before_it_is_saved(operator: Person, vendor: Vendor) -> None:
    good = (await operator.post("/channels/test", {"type": "openai", "key": SECRET})).json()
    bad = (await operator.post("/channels/test", {"type": "openai", "key": "sk-wrong"})).json()

    assert (good["ok"], good["kind"], good["models"]) == (True, None, ["gpt-5", "gpt-5-mini"])
    assert (bad["ok"], bad["kind"]) == (False, "auth")
    assert bad["advice"]
    assert "sk-wrong" not in str(bad)
    assert len(vendor.asked) == 2
    assert (await operator.get("/channels")).json()["items"] == []


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        ({"type": "unheard-of"}, "channel-types"),
        ({"type": "palm"}, ""),
        ({"type": "openai_compatible"}, "address"),
        ({"type": "openai", "base_url": "http://169.254.169.254/"}, "metadata"),
    ],
)
async def test_what_cannot_be_tried_is_refused_and_nobody_is_called(
    operator: Person, vendor: Vendor, trial: dict[str, str], words: str
) -> None:
    refused = await operator.post("/channels/test", {**trial, "key": SECRET})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert words in refused.json()["detail"]
    assert vendor.asked == []


async def test_a_saved_channel_is_tested_with_the_key_that_is_asked_for(operator: Person) -> None:
    channel_id = await _saved(operator)

    first = (await operator.post(f"/channels/{channel_id}/test", {})).json()
    second = (await operator.post(f"/channels/{channel_id}/test", {"key_number": 2})).json()

    assert (first["ok"], second["ok"], second["kind"]) == (True, False, "auth")


async def test_a_vendor_tells_its_models(operator: Person) -> None:
    channel_id = await _saved(operator)
    assert (await operator.get(f"/channels/{channel_id}/models")).json() == {"models": ["gpt-5", "gpt-5-mini"]}
    assert (await operator.get(f"/channels/{channel_id}/balance")).json() == {"items": []}


async def test_a_vendor_that_refuses_is_a_problem_of_the_vendor(operator: Person) -> None:
    made = await operator.post("/channels", {"name": "Keyless", "type": "openai", "models": ["gpt-5"]})
    refused = await operator.get(f"/channels/{made.json()['id']}/models")
    assert (refused.status_code, refused.json()["code"]) == (502, "vendor_failed")
