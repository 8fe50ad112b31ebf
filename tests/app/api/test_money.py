import asyncio
import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from adapters.clock import now
from adapters.ids import new_id
from app.wallets import BatchChangedError, CodeUsedUpError, UnknownCodeError, code_hash, new_code
from domain.ids import PLATFORM, EntityId, EventId, TenantId, derive_id, first_lane
from domain.ledger.commands import Answer, Command
from projections.folder import advance, ensure
from projections.redemptions import REDEMPTIONS
from projections.usage import USAGE
from tests.app.api.conftest import Person, World

if TYPE_CHECKING:
    import httpx


async def _balance(person: Person, tenant: TenantId) -> Any:
    return (await person.get(f"/tenants/{tenant}/balance")).json()


async def test_a_top_up_is_a_paid_grant_and_shows_in_the_balance(world: World, root: Person) -> None:
    tenant = await world.tenant()

    answer = await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "12.500000001", "reference": "INV-1"})

    assert answer.status_code == 201, answer.text
    assert answer.json()["balance"] == "12.500000001"
    balance = await _balance(root, tenant)
    assert balance["available"] == "12.500000001"
    assert [(each["kind"], each["remaining"]) for each in balance["grants"]] == [("paid", "12.500000001")]
    assert [event["reference"] for event in await world.events(tenant, "credit.granted.v1")] == ["INV-1"]


async def test_grants_are_listed_in_the_order_in_which_they_burn(world: World, root: Person) -> None:
    tenant = await world.tenant()
    soon, late = (now() + dt.timedelta(days=1)).isoformat(), (now() + dt.timedelta(days=9)).isoformat()
    path = f"/tenants/{tenant}/grants"

    await root.pay(path, {"amount": "1", "kind": "paid", "priority": 50})
    await root.pay(path, {"amount": "2", "kind": "promotional", "priority": 50, "expires_at": late})
    await root.pay(path, {"amount": "3", "kind": "promotional", "priority": 50, "expires_at": soon})
    await root.pay(path, {"amount": "4", "kind": "allowance", "priority": 10})

    grants = (await _balance(root, tenant))["grants"]
    assert [each["remaining"] for each in grants] == ["4", "3", "2", "1"]
    assert [each["kind"] for each in grants] == ["allowance", "promotional", "promotional", "paid"]


async def test_an_adjustment_takes_back_and_strictly_no_more_than_is_there(world: World, root: Person) -> None:
    tenant = await world.tenant()
    path = f"/tenants/{tenant}/adjustments"
    await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "10"})

    taken = await root.pay(path, {"amount": "4", "reason": "wrong invoice"})
    refused = await root.pay(path, {"amount": "6.000000001", "reason": "all of it"})
    owed = await root.pay(path, {"amount": "7", "reason": "all of it", "strict": False})

    assert (taken.json()["amount"], taken.json()["balance"]) == ("-4", "6")
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_credit")
    assert owed.json()["balance"] == "-1"
    assert (await _balance(root, tenant))["owed"] == "1"


async def test_new_credit_first_repays_what_is_owed(world: World, root: Person) -> None:
    tenant = await world.tenant()
    await root.pay(f"/tenants/{tenant}/adjustments", {"amount": "3", "reason": "debt", "strict": False})

    answer = await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "10"})

    balance = await _balance(root, tenant)
    assert answer.json()["balance"] == "7"
    assert balance["owed"] == "0"
    assert [each["remaining"] for each in balance["grants"]] == ["7"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"amount": "0"}, "amount_not_positive"),
        ({"amount": "-1"}, "amount_not_positive"),
        ({"amount": "99999999999999999999"}, "amount_out_of_range"),
        ({"amount": "1e3"}, "invalid_request"),
        ({"amount": 1.5}, "invalid_request"),
        ({"amount": "0.0000000001"}, "invalid_request"),
        ({"amount": "1", "sum_of_money": "2"}, "invalid_request"),
    ],
)
async def test_an_amount_that_cannot_be_taken_as_given_is_refused(
    world: World, root: Person, body: dict[str, Any], code: str
) -> None:
    tenant = await world.tenant()

    answer = await root.pay(f"/tenants/{tenant}/top-ups", body)

    assert answer.json()["code"] == code
    assert (await _balance(root, tenant))["balance"] == "0"


async def test_credit_that_expired_already_is_refused(world: World, root: Person) -> None:
    tenant = await world.tenant()
    body = {"amount": "1", "kind": "promotional", "expires_at": (now() - dt.timedelta(minutes=1)).isoformat()}

    assert (await root.pay(f"/tenants/{tenant}/grants", body)).json()["code"] == "expiry_in_past"


async def test_money_moves_only_with_an_idempotency_key(world: World, root: Person) -> None:
    tenant = await world.tenant()

    answer = await root.post(f"/tenants/{tenant}/top-ups", {"amount": "1"})

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")


async def test_fifty_identical_top_ups_at_once_are_one_credit_and_one_answer(world: World, root: Person) -> None:
    tenant = await world.tenant()
    body = {"amount": "5", "reference": "INV-7"}

    answers = await asyncio.gather(*(root.pay(f"/tenants/{tenant}/top-ups", body, "key-1") for _ in range(50)))
    later = await root.pay(f"/tenants/{tenant}/top-ups", body, "key-1")

    assert {answer.status_code for answer in answers} == {201}
    assert {answer.content for answer in [*answers, later]} == {answers[0].content}
    assert (await _balance(root, tenant))["balance"] == "5"
    assert len(await world.events(tenant, "credit.granted.v1")) == 1


async def test_a_key_with_another_body_is_refused_and_with_another_tenant_is_another_key(
    world: World, root: Person
) -> None:
    one, two = await world.tenant("One"), await world.tenant("Two")
    await root.pay(f"/tenants/{one}/top-ups", {"amount": "5"}, "key")

    reused = await root.pay(f"/tenants/{one}/top-ups", {"amount": "6"}, "key")
    elsewhere = await root.pay(f"/tenants/{two}/top-ups", {"amount": "6"}, "key")

    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert elsewhere.status_code == 201


async def test_a_refused_movement_may_be_asked_for_again_with_its_key(world: World, root: Person) -> None:
    tenant = await world.tenant()
    body = {"amount": "5", "reason": "refund"}
    refused = await root.pay(f"/tenants/{tenant}/adjustments", body, "key")
    await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "5"})

    again = await root.pay(f"/tenants/{tenant}/adjustments", body, "key")

    assert refused.json()["code"] == "insufficient_credit"
    assert again.status_code == 201


async def test_a_movement_whose_answer_was_lost_is_finished_by_its_repetition(world: World, root: Person) -> None:
    tenant = await world.tenant()
    first = await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "5"}, "key")
    # As if the process had died between the commit and keeping the answer.
    await world.pool.execute("UPDATE admin.idempotency SET response = NULL")

    again = await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "5"}, "key")

    assert again.content == first.content
    assert (await _balance(root, tenant))["balance"] == "5"


async def test_no_tenant_no_wallet(root: Person) -> None:
    answer = await root.pay("/tenants/424242/top-ups", {"amount": "5"})

    assert answer.status_code == 404


# Redemption codes.


async def _codes(root: Person, **fields: Any) -> "httpx.Response":
    body = {"name": f"Batch {new_id()}", "count": 1, "amount": "2.5", **fields}
    return await root.post("/code-batches", body)


async def test_a_code_becomes_a_grant_with_the_terms_of_its_batch(world: World, root: Person) -> None:
    tenant = await world.tenant()
    billing = await world.person(tenants={tenant: "billing"})
    batch = (await _codes(root, grant_days=30, priority=20)).json()

    answer = await billing.pay(f"/tenants/{tenant}/redeem", {"code": batch["codes"][0].lower().replace("-", " ")})

    assert answer.status_code == 200, answer.text
    assert answer.json()["amount"] == "2.5"
    grant = (await _balance(root, tenant))["grants"][0]
    assert (grant["kind"], grant["priority"], grant["remaining"]) == ("promotional", 20, "2.5")
    assert dt.datetime.fromisoformat(grant["expires_at"]) - now() > dt.timedelta(days=29)


async def test_a_thousand_parallel_redeems_of_one_code_have_as_many_winners_as_it_has_uses(
    world: World, root: Person
) -> None:
    world.monotonic.step = 1.0
    tenants = [await world.tenant(f"T{number}") for number in range(20)]
    code = (await _codes(root, uses_per_code=3)).json()["codes"][0]

    answers = await asyncio.gather(
        *(root.pay(f"/tenants/{tenant}/redeem", {"code": code}) for tenant in tenants for _ in range(50))
    )

    codes = [answer.json().get("code") for answer in answers]
    assert [answer.status_code for answer in answers].count(200) == 3
    assert set(codes) - {None} <= {"code_used_up", "code_used_by_tenant"}
    credited = [(await _balance(root, tenant))["balance"] for tenant in tenants]
    assert sorted(credited) == ["0"] * 17 + ["2.5"] * 3
    assert len(await world.events(PLATFORM, "code.claimed.v1")) == 3


async def _fold(world: World, *tenants: TenantId) -> None:
    await ensure(world.pool, [REDEMPTIONS, USAGE])
    for tenant in (PLATFORM, *tenants):
        for projection in (REDEMPTIONS, USAGE):
            await advance(world.pool, projection, tenant, first_lane(tenant))


async def test_who_redeemed_the_codes_of_a_batch_is_listed_and_comes_as_csv(world: World, root: Person) -> None:
    one, two = await world.tenant("One"), await world.tenant("Two")
    batch = (await _codes(root, count=2, uses_per_code=2)).json()
    first, second = batch["codes"]
    for tenant, code in ((one, first), (two, first), (two, second)):
        assert (await root.pay(f"/tenants/{tenant}/redeem", {"code": code})).status_code == 200
    await _fold(world, one, two)
    path = f"/code-batches/{batch['id']}/redemptions"

    part = (await root.get(f"{path}?limit=2")).json()
    rest = (await root.get(f"{path}?limit=2&after={part['next']}")).json()
    table = await root.get(path, accept="text/csv")

    found = [(each["tenant_id"], each["code_sha256"]) for each in part["items"] + rest["items"]]
    assert found == [(two, code_hash(second)), (two, code_hash(first)), (one, code_hash(first))]
    assert rest["next"] is None
    assert {(each["user_id"], each["amount"]) for each in part["items"]} == {(root.user.user_id, "2.5")}
    assert len((await root.get(f"{path}?tenant_id={one}")).json()["items"]) == 1
    assert table.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[4] for line in table.text.strip().split("\r\n")[1:]] == [code for _, code in found]
    assert (await root.get("/code-batches/nothing/redemptions")).status_code == 404


async def test_every_movement_of_credit_is_listed_with_who_did_it_and_narrowed(world: World, root: Person) -> None:
    tenant = await world.tenant()
    other = await world.tenant("Other")
    code = (await _codes(root)).json()["codes"][0]
    await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "10", "reference": "INV-1", "reason": "paid"})
    await root.pay(f"/tenants/{tenant}/redeem", {"code": code})
    await root.pay(f"/tenants/{tenant}/adjustments", {"amount": "4", "reason": "mistake"})
    await root.pay(f"/tenants/{other}/top-ups", {"amount": "1"})
    await _fold(world, tenant, other)
    path = f"/tenants/{tenant}/movements"
    billing = await world.person(tenants={tenant: "billing"})

    whole = (await billing.get(path)).json()
    parts = [(await billing.get(f"{path}?limit=1&after={each['position']}")).json() for each in whole["items"]]

    shown = [(each["kind"], each["source"], each["amount"], each["reason"]) for each in whole["items"]]
    assert shown == [
        ("adjusted", "", "-4", "mistake"),
        ("redeemed", "redemption", "2.5", ""),
        ("granted", "top_up", "10", "paid"),
    ]
    assert {each["actor"] for each in whole["items"]} == {f"user:{root.user.user_id}"}
    assert [part["items"] for part in parts] == [[each] for each in whole["items"][1:]] + [[]]
    assert [each["reference"] for each in (await billing.get(f"{path}?source=top_up")).json()["items"]] == ["INV-1"]
    assert [each["kind"] for each in (await billing.get(f"{path}?kind=adjusted")).json()["items"]] == ["adjusted"]
    assert (await billing.get(f"{path}?to=2020-01-01T00:00:00Z")).json()["items"] == []
    assert (await billing.get(f"/tenants/{other}/movements")).status_code == 404


async def test_movements_of_all_tenants_are_narrowed_paged_and_saved_by_the_operator_alone(
    world: World, root: Person
) -> None:
    one, other = await world.tenant("One"), await world.tenant("Other")
    code = (await _codes(root)).json()["codes"][0]
    await root.pay(f"/tenants/{one}/top-ups", {"amount": "10", "reference": "INV-1"})
    await root.pay(f"/tenants/{other}/top-ups", {"amount": "7"})
    await root.pay(f"/tenants/{one}/redeem", {"code": code})
    await root.pay(f"/tenants/{other}/adjustments", {"amount": "4", "reason": "mistake"})
    await _fold(world, one, other)
    path = "/reports/movements"

    whole = (await root.get(path)).json()
    parts, after = [], ""
    while True:
        part = (await root.get(f"{path}?limit=1{after}")).json()
        parts += part["items"]
        if part["next"] is None:
            break
        after = f"&after={part['next']}"

    shown = [(each["tenant_id"], each["kind"], each["source"], each["amount"]) for each in whole["items"]]
    assert shown == [
        (other, "adjusted", "", "-4"),
        (one, "redeemed", "redemption", "2.5"),
        (other, "granted", "top_up", "7"),
        (one, "granted", "top_up", "10"),
    ]
    assert parts == whole["items"]
    assert [each["reference"] for each in (await root.get(f"{path}?tenant_id={one}&kind=granted")).json()["items"]] == [
        "INV-1"
    ]
    assert [each["amount"] for each in (await root.get(f"{path}?source=top_up")).json()["items"]] == ["7", "10"]
    assert (await root.get(f"{path}?to=2020-01-01T00:00:00Z")).json()["items"] == []
    assert (await root.get(f"{path}?after=nonsense")).status_code == 422
    table = await root.get(f"{path}/export?kind=granted")
    assert table.headers["content-disposition"] == 'attachment; filename="movements.csv"'
    assert [line.split(",")[1] for line in table.text.strip().splitlines()[1:]] == [str(other), str(one)]
    owner = await world.person(tenants={one: "owner"})
    assert [(await owner.get(each)).status_code for each in (path, f"{path}?tenant_id={one}", f"{path}/export")] == [
        403
    ] * 3


async def test_credit_that_ends_soon_is_told_of_all_tenants_with_what_is_left_of_it(world: World, root: Person) -> None:
    one, other = await world.tenant("One"), await world.tenant("Other")
    for tenant, amount, days in ((one, "5", 20), (other, "3", 10), (other, "9", 40)):
        ends = (now() + dt.timedelta(days=days)).isoformat()
        await root.pay(f"/tenants/{tenant}/grants", {"amount": amount, "kind": "promotional", "expires_at": ends})
    await root.pay(f"/tenants/{one}/top-ups", {"amount": "100"})
    await root.pay(f"/tenants/{other}/adjustments", {"amount": "1", "reason": "mistake"})

    found = (await root.get("/reports/ending-grants?limit=1")).json()
    further = (await root.get("/reports/ending-grants?days=60")).json()

    assert (found["grants"], found["remaining"]) == (2, "7")
    assert [(each["tenant_id"], each["kind"], each["remaining"]) for each in found["items"]] == [
        (other, "promotional", "2")
    ]
    assert [each["remaining"] for each in further["items"]] == ["2", "5", "9"]
    owner = await world.person(tenants={one: "owner"})
    assert (await owner.get("/reports/ending-grants")).status_code == 403


async def test_how_much_of_batches_was_redeemed_is_told_for_a_whole_list(world: World, root: Person) -> None:
    one, other = await world.tenant("One"), await world.tenant("Other")
    used = (await _codes(root, count=3)).json()
    unused = (await _codes(root)).json()
    for tenant, code in zip((one, one, other), used["codes"], strict=True):
        await root.pay(f"/tenants/{tenant}/redeem", {"code": code})
    await _fold(world)

    found = (await root.get(f"/code-batches/redeemed?batch_ids={used['id']},{unused['id']}")).json()["items"]

    assert [(each["batch_id"], each["uses"], each["amount"], each["tenants"]) for each in found] == [
        (used["id"], 3, "7.5", 2)
    ]
    assert (await root.get("/code-batches/redeemed?batch_ids=nothing")).json()["items"] == []
    owner = await world.person(tenants={one: "owner"})
    assert (await owner.get(f"/code-batches/redeemed?batch_ids={used['id']}")).status_code == 403


async def test_a_refund_is_of_a_request_of_the_tenant_and_no_more_than_it_cost(world: World, root: Person) -> None:
    tenant = await world.tenant()
    await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "10"})
    body = {"amount": "1", "reason": "cut off", "request_id": new_id()}

    unknown = await root.pay(f"/tenants/{tenant}/refunds", body)
    malformed = await root.pay(f"/tenants/{tenant}/refunds", {**body, "request_id": "x"})
    unkeyed = await root.post(f"/tenants/{tenant}/refunds", body)

    assert [unknown.status_code, malformed.status_code] == [404, 404]
    assert (unkeyed.status_code, unkeyed.json()["code"]) == (400, "idempotency_key_required")
    assert (await _balance(root, tenant))["balance"] == "10"


async def test_uses_per_code_and_per_tenant_are_exact_under_a_rush(world: World, root: Person) -> None:
    tenants = [await world.tenant(f"T{number}") for number in range(4)]
    code = (await _codes(root, uses_per_code=5, uses_per_tenant=2)).json()["codes"][0]

    answers = await asyncio.gather(
        *(root.pay(f"/tenants/{tenant}/redeem", {"code": code}) for tenant in tenants for _ in range(15))
    )

    assert [answer.status_code for answer in answers].count(200) == 5
    credited = [(await _balance(root, tenant))["balance"] for tenant in tenants]
    assert max(credited) == "5"
    assert sum(Decimal(each) for each in credited) == Decimal("12.5")


async def test_the_same_redemption_repeated_is_one(world: World, root: Person) -> None:
    tenant = await world.tenant()
    code = (await _codes(root)).json()["codes"][0]

    first = await root.pay(f"/tenants/{tenant}/redeem", {"code": code}, "key")
    again = await root.pay(f"/tenants/{tenant}/redeem", {"code": code}, "key")

    assert first.status_code == 200
    assert again.content == first.content
    assert (await _balance(root, tenant))["balance"] == "2.5"


async def test_unknown_expired_and_revoked_codes_say_so(world: World, root: Person) -> None:
    tenant = await world.tenant()
    path = f"/tenants/{tenant}/redeem"
    past = now().isoformat()
    expired = (await _codes(root, expires_at=past)).json()
    revoked = (await _codes(root)).json()
    archived = (await _codes(root)).json()
    await root.patch(f"/code-batches/{revoked['id']}", {"revoked": True}, 1)
    await root.delete(f"/code-batches/{archived['id']}", 1)

    answers = [
        await root.pay(path, {"code": code})
        for code in (new_code(), "nonsense", expired["codes"][0], revoked["codes"][0], archived["codes"][0])
    ]

    assert [answer.json()["code"] for answer in answers] == [
        "code_unknown",
        "code_unknown",
        "code_expired",
        "code_revoked",
        "code_revoked",
    ]
    assert (await _balance(root, tenant))["balance"] == "0"


async def test_a_revocation_beats_a_redemption_that_had_read_the_batch_before(world: World, root: Person) -> None:
    tenant = await world.tenant()
    batch = (await _codes(root)).json()
    found = await world.administration.get("code_batch", batch["id"])
    await root.patch(f"/code-batches/{batch['id']}", {"revoked": True}, 1)

    with pytest.raises(BatchChangedError):
        await world.wallets.redeem(
            tenant_id=tenant,
            claim_id=EventId(new_id()),
            code=batch["codes"][0],
            batch=found.entity,
            batch_version=found.version,
            archived=False,
            user_id=EntityId(new_id()),
            now=now(),
        )

    assert (await _balance(root, tenant))["balance"] == "0"


class _DiesAfterTheClaim:
    """A ledger whose process is killed between the two halves of a redemption."""

    def __init__(self, world: World) -> None:
        self._ledger = world.ledger

    async def submit(self, command: Command) -> Answer:
        if command.type == "code.redeemed.v1":
            raise ConnectionError("killed here")
        return await self._ledger.submit(command)

    async def open_lane(self, tenant_id: int, lane: int) -> None:
        await self._ledger.open_lane(tenant_id, lane)


async def test_a_claim_that_was_cut_off_is_credited_once_by_whoever_comes_next(world: World, root: Person) -> None:
    tenant = await world.tenant()
    batch = (await _codes(root)).json()
    found = await world.administration.get("code_batch", batch["id"])
    claim_id = EventId(new_id())
    arguments: dict[str, Any] = {
        "tenant_id": tenant,
        "claim_id": claim_id,
        "code": batch["codes"][0],
        "batch": found.entity,
        "batch_version": found.version,
        "archived": False,
        "user_id": root.user.user_id,
        "now": now(),
    }
    broken = type(world.wallets)(_DiesAfterTheClaim(world), world.pool)
    with pytest.raises(ConnectionError):
        await broken.redeem(**arguments)
    before = (await _balance(root, tenant))["balance"]

    finished = await world.wallets.finish_claims(now() - dt.timedelta(minutes=5))
    repeated = await world.wallets.redeem(**arguments)
    nothing_left = await world.wallets.finish_claims(now() - dt.timedelta(minutes=5))

    assert before == "0"
    assert (finished, nothing_left) == (1, 0)
    assert repeated.event_id == derive_id(claim_id, "redeemed")
    assert (await _balance(root, tenant))["balance"] == "2.5"
    with pytest.raises(CodeUsedUpError):
        await world.wallets.redeem(**{**arguments, "claim_id": EventId(new_id())})


async def test_codes_come_as_csv_when_asked_and_are_stored_as_hashes_only(world: World, root: Person) -> None:
    answer = await root.post("/code-batches", {"name": "CSV", "count": 3, "amount": "1"}, accept="text/csv")

    header, *rows = answer.text.strip().split("\r\n")
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("text/csv")
    assert header == "code,amount,expires_at"
    assert len({row.split(",")[0] for row in rows}) == 3
    everything = await world.pool.fetch("SELECT convert_from(data, 'UTF8') AS data FROM ledger.event")
    assert all(row.split(",")[0] not in stored["data"] for row in rows for stored in everything)


def test_a_code_is_known_however_it_was_typed() -> None:
    code = new_code()

    assert code_hash(code) == code_hash(code.lower().replace("-", "")) == code_hash(f" {code.replace('-', '  ')} ")
    assert code_hash(code.replace("0", "O").replace("1", "l")) == code_hash(code)
    with pytest.raises(UnknownCodeError):
        code_hash(code[:-1])


async def test_guessing_codes_is_slowed_down(world: World, root: Person) -> None:
    tenant = await world.tenant()

    answers = [await root.pay(f"/tenants/{tenant}/redeem", {"code": new_code()}) for _ in range(12)]

    assert answers[0].json()["code"] == "code_unknown"
    assert answers[-1].json()["code"] == "too_many_attempts"


async def test_open_holds_and_spend_show_who_holds_what(world: World, root: Person) -> None:
    tenant = await world.tenant()
    member = await world.user(tenants={tenant: "member"})
    token = (await root.post("/tokens", {"tenant_id": tenant, "user_id": member.user_id, "name": "CI"})).json()
    await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "10"})

    balance = await _balance(root, tenant)

    assert balance["holds_open"] == 0
    assert [(each["id"], each["name"], each["spent"]) for each in balance["tokens"]] == [(token["id"], "CI", "0")]
    assert [(each["id"], each["spent"]) for each in balance["users"]] == [(member.user_id, "0")]
