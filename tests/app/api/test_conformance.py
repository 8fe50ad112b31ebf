"""The running API against its own document: no answer that the document does not tell, and no internal error.

Schemathesis makes requests from the document, half of them wrong on purpose, with things that are there and things that
are not. What it makes is derived from the document alone, so that a run can be repeated.
"""

import asyncio
import contextlib
import copy
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.document import document
from tests.app.api.conftest import Person, World

EXAMPLES = 3
"""Requests for each operation, mode and set of ids."""
_STREAMS = {"streamRequests"}
_Operation = APIOperation[Any, Any, Any, Any]


def _no_internal_error(_context: Any, answer: Any, _case: Any) -> None:
    # 503 says what is not there in this test, such as a relay; it is documented.
    assert answer.status_code != 500, answer.text


_CHECKS: list[Any] = [
    _no_internal_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@contextlib.asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    """Serve the API on a free port of the loopback, on the test's own loop: the pool can follow nowhere else."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(world.app, loop="none", lifespan="off", log_config=None))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server, "capture_signals", contextlib.nullcontext)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving


async def _things(world: World, root: Person) -> dict[str, Any]:
    """Make one of everything, and give their ids by the names of path parameters."""
    tenant = await world.tenant()
    user = await world.user(tenants={tenant: "member"})
    made: dict[str, Any] = {"tenant_id": tenant, "user_id": user.user_id}
    prices = {"m": {"input": "1.25", "output": "10"}}
    for name, path, body in (
        ("token_id", "/tokens", {"tenant_id": tenant, "user_id": user.user_id, "name": "t"}),
        ("channel_id", "/channels", {"name": "c", "type": "openai", "models": ["m"], "key": "k" * 20}),
        ("group_id", "/groups", {"side": "user", "label": "gold", "name": "Gold"}),
        ("multiplier_id", "/multipliers", {"user_group": "gold", "channel_group": "all", "multiplier": "0.5"}),
        ("mapping_id", "/mappings", {"model": "best", "target": "m"}),
        ("card_id", "/rate-cards", {"effective_from": "2026-11-01T00:00:00Z", "models": prices}),
        ("setting_id", "/settings", {"name": "site_name", "value": "Acme"}),
        ("announcement_id", "/announcements", {"title": "Hello"}),
        ("batch_id", "/code-batches", {"name": "b", "count": 2, "amount": "1"}),
        ("policy_id", "/routing/policies", {"name": "p", "model": "m"}),
    ):
        answer = await root.post(path, body)
        assert answer.status_code == 201, answer.text
        made[name] = answer.json()["id"]
    return made | {"name": "site_footer", "period": "2026-10"}


def _operations(whole: dict[str, Any]) -> Iterator[_Operation]:
    for result in schemathesis.openapi.from_dict(whole).get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.definition.raw["operationId"] not in _STREAMS:
            yield operation


class _Trial:
    """The requests of one operation in one mode, sent as somebody who may do everything."""

    def __init__(self, operation: _Operation, mode: GenerationMode, known: dict[str, Any]) -> None:
        self.operation = operation
        self.mode = mode
        ids = {each.name: known[each.name] for each in operation.path_parameters if each.name in known}
        self.cases = operation.as_strategy(generation_mode=mode, path_parameters=ids or None)
        self.version = '"1"' if known else None
        """Of what is there, when it is asked for."""
        self.checks = [*_CHECKS, negative_data_rejection] if mode is GenerationMode.NEGATIVE else _CHECKS

    def run(self, session: requests.Session, base_url: str, headers: dict[str, str]) -> str:
        """Send the requests; give what was wrong with an answer, or nothing."""

        @seed(1)
        @settings(
            max_examples=EXAMPLES,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=self.cases)
        def ask(case: Any) -> None:
            known = {"If-Match": self.version} if self.version and "If-Match" in (case.headers or {}) else {}
            answer = case.call(base_url=base_url, session=session, headers=headers | known, timeout=30)
            case.validate_response(answer, checks=self.checks)

        try:
            ask()
        except Unsatisfiable:
            # Nothing can be wrong with a request that has no parts.
            return ""
        except (Exception, BaseExceptionGroup) as failure:  # noqa: BLE001 -- it is told with the operation it came from
            causes = failure.exceptions if isinstance(failure, BaseExceptionGroup) else [failure]
            told = "; ".join(str(cause) for cause in causes)
            return f"{self.operation.definition.raw['operationId']} ({self.mode.value}): {told}"[:1500]
        return ""


def _try(operation: _Operation, base_url: str, headers: dict[str, str], known: dict[str, Any]) -> list[str]:
    trials = [_Trial(operation, mode, known) for mode in GenerationMode]
    if any(each.name in known for each in operation.path_parameters):
        trials.append(_Trial(operation, GenerationMode.POSITIVE, {}))
    with requests.Session() as session:
        return [failure for each in trials if (failure := each.run(session, base_url, headers))]


async def test_the_api_keeps_to_its_document(world: World, root: Person) -> None:
    world.monotonic.step = 1.0
    known = await _things(world, root)
    failures: list[str] = []
    async with served(world) as base_url:
        for operation in _operations(document()):
            failures += await asyncio.to_thread(_try, operation, base_url, root.headers, known)

    assert not failures, "\n\n".join(failures)


async def test_an_answer_that_the_document_does_not_tell_is_found(world: World, root: Person) -> None:
    whole = copy.deepcopy(document())
    whole["paths"] = {path: whole["paths"][path] for path in ("/api/me", "/api/tenants/{tenant_id}")}
    del whole["paths"]["/api/tenants/{tenant_id}"]["get"]["responses"]["404"]
    whole["components"]["schemas"]["Me"]["required"].append("shoe_size")
    async with served(world) as base_url:
        found = [
            failure
            for operation in _operations(whole)
            for failure in await asyncio.to_thread(_try, operation, base_url, root.headers, {})
        ]

    assert any(failure.startswith("getMe (positive)") and "shoe_size" in failure for failure in found)
    assert any(failure.startswith("getTenant (positive)") and "404" in failure for failure in found)
