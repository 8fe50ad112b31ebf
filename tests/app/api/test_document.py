import base64
import gzip
import hashlib
import re
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
from click.testing import CliRunner
from litestar.handlers import HTTPRouteHandler

from app.api.document import document, document_bytes, operations
from app.api.examples import EXAMPLES
from app.api.problems import PROBLEMS, ApiError, error_of, error_reference
from app.api.routes import ROUTES
from app.cli import cli
from app.wallets import WalletError
from domain.admin.errors import AdminError
from domain.errors import TallygateError
from domain.money import MoneyError
from domain.pricing.lint import RateCardRefusedError
from domain.pricing.rate_card import PricingError
from tests.app.api.conftest import Person, World

_DOCS = Path(__file__).parents[3] / "docs" / "errors.md"


def _leaves(class_: type[TallygateError]) -> list[type[TallygateError]]:
    return [class_, *(leaf for each in class_.__subclasses__() for leaf in _leaves(each))]


def test_every_code_is_in_the_documentation() -> None:
    assert _DOCS.read_text() == error_reference()


@pytest.mark.parametrize("root_class", [WalletError, AdminError, MoneyError])
def test_every_refusal_that_the_api_can_meet_has_a_code_of_the_table(root_class: type[TallygateError]) -> None:
    for class_ in _leaves(root_class):
        assert class_.code in PROBLEMS, class_


def test_pricing_errors_that_operators_meet_are_documented() -> None:
    documented = {class_.code for class_ in _leaves(PricingError) if class_.code in PROBLEMS}

    assert {"invalid_price", "invalid_rate_card", "rate_card_published", "rate_card_refused"} <= documented
    assert error_of(RateCardRefusedError([])).problem.status == 422


async def test_the_document_is_openapi_3_1_served_from_here(world: World) -> None:
    answer = await world.client.get("/api/openapi.json")

    document = answer.json()
    assert answer.status_code == 200
    assert document["openapi"].startswith("3.1")
    assert not re.search(r"https?://(?!spec\.|json-schema)", answer.text.replace("http://testserver", ""))


async def test_every_operation_has_a_name_of_its_own_and_typed_answers(world: World) -> None:
    document = (await world.client.get("/api/openapi.json")).json()
    names: list[str] = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names.append(operation["operationId"])
            assert operation["summary"], path
            assert operation["tags"], path
            good = [status for status in operation["responses"] if status.startswith("2")]
            assert len(good) == 1, (method, path)
            if good not in (["202"], ["204"]):
                content = operation["responses"][good[0]]["content"]
                if {"text/csv", "text/event-stream", "application/atom+xml"} & content.keys():
                    # Files and streams have no schema that JSON could say.
                    continue
                schema = content["application/json"]["schema"]
                assert schema.get("$ref", "").startswith("#/components/schemas/"), (method, path)
            assert operation["responses"]["400"] == {"$ref": "#/components/responses/Problem400"}
    assert len(names) == len(set(names)) > 60


async def test_every_reference_of_the_document_leads_somewhere_and_lists_have_one_kind_of_item(world: World) -> None:
    document = (await world.client.get("/api/openapi.json")).json()
    schemas = document["components"]["schemas"]

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                _, _, kind, name = part["$ref"].split("/")
                assert name in document["components"][kind]
            assert {} not in part.get("oneOf", [])
            for each in part.values():
                walk(each)
        elif isinstance(part, list):
            for each in part:
                walk(each)

    walk(document)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", name) for name in schemas), "two types share a name"
    assert "TokenViewListing" in schemas


def test_the_codes_of_problems_are_a_closed_list_and_each_is_told_with_its_status() -> None:
    components = document()["components"]

    assert set(components["schemas"]["ProblemCode"]["enum"]) == set(PROBLEMS)
    told: dict[str, int] = {}
    for name, answer in components["responses"].items():
        status = int(name.removeprefix("Problem"))
        named = answer["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]
        assert named["status"] == {"const": status}
        told |= dict.fromkeys(named["code"]["enum"], status)
    unheard = {code for code, entry in PROBLEMS.items() if entry.status == 405}
    assert told == {code: entry.status for code, entry in PROBLEMS.items() if code not in unheard}


def test_every_example_is_a_body_that_its_route_takes() -> None:
    handlers = {
        handler.operation_id: handler
        for handlers in ROUTES.values()
        for handler in handlers
        if isinstance(handler, HTTPRouteHandler)
    }
    for name, example in EXAMPLES.items():
        body = get_type_hints(handlers[name].fn)["data"]
        assert msgspec.convert(example, body), name


def test_every_schema_says_what_it_is() -> None:
    assert [name for name, each in document()["components"]["schemas"].items() if not each.get("description")] == []


async def test_the_page_of_the_document_needs_nobody_else(world: World) -> None:
    answer = await world.client.get("/api/docs")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"<script|<link|<img|https?://|url\(|@import| style=| on\w+=", answer.text)
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode() in policy
    for path, _, operation in operations(document()):
        assert path in answer.text
        assert f'id="{operation["operationId"]}"' in answer.text


async def test_links_of_the_page_lead_to_its_places(world: World) -> None:
    text = (await world.client.get("/api/docs")).text

    places = set(re.findall(r'id="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= places


def test_the_command_prints_what_the_server_gives() -> None:
    printed = CliRunner().invoke(cli, ["openapi"])

    assert printed.exit_code == 0
    assert msgspec.json.decode(printed.stdout) == msgspec.json.decode(document_bytes())


async def test_bodies_are_strict_and_the_answer_says_where_they_are_wrong(root: Person) -> None:
    answer = await root.post("/tenants", {"name": "Acme", "colour": "red"})

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    assert "colour" in problem["errors"][0]
    assert problem["type"] == "urn:tallygate:problem:invalid_request"


async def test_a_form_from_a_foreign_page_is_no_body(world: World, root: Person) -> None:
    answer = await world.client.post(
        "/api/login", content='{"login": "root", "password": "x"}', headers={"content-type": "text/plain"}
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert (await root.get("/me")).status_code == 200


async def test_a_compressed_body_is_refused_in_words(world: World, root: Person) -> None:
    answer = await world.client.post(
        "/api/login",
        content=gzip.compress(b'{"login": "root", "password": "x"}'),
        headers={"content-type": "application/json", "content-encoding": "gzip"},
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "compressed" in answer.json()["detail"]
    assert (await root.get("/me")).status_code == 200


async def test_a_body_above_one_mebibyte_is_refused(root: Person) -> None:
    answer = await root.post("/tenants", {"name": "x" * (1024 * 1024)})

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_nul_gets_into_no_event(world: World, root: Person) -> None:
    named = await root.post("/tenants", {"name": "A\0B"})
    reasoned = await root.post("/tenants", {"name": "A", "reason": "\0"})
    searched = await root.get("/tenants?search=%00")

    assert [answer.json()["code"] for answer in (named, reasoned, searched)] == ["invalid_request"] * 3
    assert await world.pool.fetchval("SELECT count(*) FROM ledger.event WHERE type = 'tenant.created.v1'") == 0


async def test_what_nobody_foresaw_is_logged_without_its_message(
    world: World,
    root: Person,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = "row with " + "hunter" * 2

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(world.administration, "list", broken)

    answer = await root.get("/users")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    # Where a command has set up logging in this process before, the record goes there.
    printed = capsys.readouterr()
    logged = printed.out + printed.err + caplog.text
    assert "unhandled_exception" in logged
    assert secret not in answer.text + logged


def test_an_unknown_code_of_the_table_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        ApiError("no_such_code")


async def test_a_path_or_method_that_no_route_has_is_a_problem_too(world: World) -> None:
    nowhere = await world.client.get("/api/no/such/thing")
    method = await world.client.put("/api/tenants")
    elsewhere = await world.client.get("/no/such/thing")

    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert "code" not in elsewhere.json()
