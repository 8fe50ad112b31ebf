"""What may be stored of the things that people administer."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channel_types import TYPES
from domain.admin.changes import ROOTS, decide
from domain.admin.entities import (
    KINDS,
    Announcement,
    Arm,
    Budget,
    Channel,
    CodeBatch,
    Group,
    Mapping,
    Membership,
    Multiplier,
    PriceBook,
    RoutingPolicy,
    Setting,
    Tenant,
    Token,
    User,
)
from domain.admin.errors import InvalidEntityError, LastRootError, NameTakenError, VersionConflictError
from domain.admin.rules import (
    Surroundings,
    check,
    check_archive,
    home,
    id_of,
    leads_back,
    tenant_id_from,
    with_id,
)
from domain.admin.settings import SETTINGS
from domain.errors import TallygateError
from domain.ids import PLATFORM, EntityId, TenantId
from domain.ledger.commands import Answer, Code, Op
from domain.pricing.lint import RateCardRefusedError
from domain.pricing.multipliers import InvalidMultiplierError
from domain.pricing.rate_card import CardPublishedError, InvalidRateCardError, ModelPrice, RateCard

ID = EntityId("01939b3a-0000-7000-8000-000000000001")
TENANT_ID = TenantId(7)
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
OWNER = User(user_id=ID, login="alice", name="Alice", memberships=(Membership(TENANT_ID, "member"),))


def card(version: int = 1, price: str = "2", days: int = 0, currency: str = "USD", series: str = "series") -> RateCard:
    return RateCard(
        card_id=EntityId(series),
        version=version,
        currency=currency,
        source="test",
        effective_from=NOW + dt.timedelta(days=days),
        models={"m": ModelPrice(input=Decimal(price))},
    )


def book(**more: Any) -> PriceBook:
    fields = {name: more.pop(name) for name in ("published", "use") if name in more}
    return PriceBook(card_id=EntityId(f"book-{more.get('version', 1)}"), card=card(**more), **fields)


AROUND = Surroundings(
    now=NOW,
    user_groups=frozenset({"default"}),
    channel_groups=frozenset({"default"}),
    channel_type=TYPES["openai"],
    cards=(book(published=True, days=-30), book(published=True, days=-30, use="cost", series="cost-series")),
    tenants=frozenset({TENANT_ID}),
    owner=OWNER,
)
GOOD: dict[str, Any] = {
    "tenant": Tenant(tenant_id=TENANT_ID, name="Acme", time_zone="Europe/Berlin"),
    "user": OWNER,
    "token": Token(token_id=ID, tenant_id=TENANT_ID, user_id=ID, name="t", sha256="0" * 64, hint="sk-"),
    "channel": Channel(channel_id=ID, name="c", type="openai", base_url="https://api.example.com/v1", models=("m",)),
    "group": Group(group_id=ID, side="user", label="vip", name="VIP"),
    "multiplier": Multiplier(multiplier_id=ID, user_group="default", channel_group="all", value=Decimal("0.5")),
    "rate_card": book(version=2),
    "mapping": Mapping(mapping_id=ID, model="small", target="m"),
    "setting": Setting(setting_id=ID, name="output_tokens_default", value=100),
    "code_batch": CodeBatch(batch_id=ID, name="spring", amount_nanos=5, hashes=("0" * 64, "1" * 64)),
    "announcement": Announcement(announcement_id=ID, title="Maintenance", body="On **Sunday**."),
    "routing_policy": RoutingPolicy(
        policy_id=ID, name="trial", model="m", fallbacks=("n",), arms=(Arm(name="a", share=9), Arm(name="b", share=1))
    ),
}
MANY = tuple(f"{n:064x}" for n in range(1001))
BUDGETS = tuple(Budget(unit, period, 1) for unit in ("money", "tokens") for period in ("day", "week"))

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("tenant", {"name": ""}, "name"),
    ("tenant", {"time_zone": "Europe/Berln"}, "time_zone"),
    ("tenant", {"time_zone": "../../etc/passwd"}, "time_zone"),
    ("tenant", {"time_zone": ""}, "time_zone"),
    ("tenant", {"time_zone": "Europe"}, "time_zone"),
    ("tenant", {"user_group": "unknown"}, "user_group"),
    ("tenant", {"credit_limit_nanos": -1}, "credit_limit_nanos"),
    ("tenant", {"budgets": (*BUDGETS, BUDGETS[0])}, "budgets"),
    ("tenant", {"budgets": (Budget("money", "day", -5),)}, "budgets"),
    ("user", {"login": "Alice"}, "login"),
    ("user", {"login": ""}, "login"),
    ("user", {"memberships": (Membership(TENANT_ID, "member"), Membership(TENANT_ID, "owner"))}, "memberships"),
    ("user", {"memberships": (Membership(TenantId(8), "member"),)}, "memberships"),
    ("token", {"tenant_id": TenantId(8)}, "tenant_id"),
    ("token", {"sha256": "secret"}, "sha256"),
    ("token", {"networks": ("192.0.2.1/24",)}, "networks"),
    ("token", {"networks": ("everywhere",)}, "networks"),
    ("token", {"expires_at": "tomorrow"}, "expires_at"),
    ("token", {"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
    ("token", {"models": ("m", "")}, "models"),
    ("channel", {"models": ()}, "models"),
    ("channel", {"models": ("",)}, "models"),
    ("channel", {"channel_groups": ()}, "channel_groups"),
    ("channel", {"channel_groups": ("unknown",)}, "channel_groups"),
    ("channel", {"weight": -1}, "weight"),
    ("channel", {"model_map": {"small": ""}}, "model_map"),
    ("channel", {"base_url": "ftp://example.com"}, "base_url"),
    ("channel", {"base_url": "file:///etc/passwd"}, "base_url"),
    ("channel", {"base_url": "https://user:password@example.com"}, "base_url"),
    ("channel", {"base_url": "https://example.com/?key=1"}, "base_url"),
    ("channel", {"base_url": "https://example.com:99999"}, "base_url"),
    ("channel", {"base_url": "https://[::1"}, "base_url"),
    ("channel", {"base_url": "https://exa mple.com"}, "base_url"),
    ("channel", {"options": {"made_up": "1"}}, "options"),
    ("channel", {"cost_card_id": EntityId("unknown")}, "cost_card_id"),
    ("channel", {"cost_card_id": EntityId("series")}, "cost_card_id"),
    ("group", {"label": "all"}, "label"),
    ("group", {"label": "Big Spenders"}, "label"),
    ("group", {"side": "channel", "allowance_nanos": 5}, "allowance_nanos"),
    ("multiplier", {"user_group": "unknown"}, "user_group"),
    ("multiplier", {"channel_group": "unknown"}, "channel_group"),
    ("mapping", {"target": "small"}, "target"),
    ("mapping", {"tenant_id": TenantId(8)}, "tenant_id"),
    ("setting", {"name": "unheard_of"}, "name"),
    ("setting", {"value": 0}, "value"),
    ("setting", {"value": "many"}, "value"),
    ("setting", {"value": True}, "value"),
    ("code_batch", {"amount_nanos": 0}, "amount_nanos"),
    ("code_batch", {"hashes": ()}, "hashes"),
    ("code_batch", {"hashes": MANY}, "hashes"),
    ("code_batch", {"hashes": ("0" * 64, "0" * 64)}, "hashes"),
    ("code_batch", {"hashes": ("ABCD-EFGH",)}, "hashes"),
    ("code_batch", {"expires_at": "soon"}, "expires_at"),
    ("routing_policy", {"tenant_id": TenantId(5)}, "tenant_id"),
    ("routing_policy", {"tenant_id": TENANT_ID, "user_group": "default"}, "user_group"),
    ("routing_policy", {"user_group": "nobody"}, "user_group"),
    ("routing_policy", {"channel_groups": ("nobody",)}, "channel_groups"),
    ("routing_policy", {"fallbacks": ("m",)}, "fallbacks"),
    ("routing_policy", {"fallbacks": tuple("abcdefghi")}, "fallbacks"),
    ("routing_policy", {"arms": (Arm(name="a", share=9),)}, "arms"),
    ("routing_policy", {"arms": (Arm(name="a", share=9), Arm(name="a", share=9))}, "arms"),
    ("routing_policy", {"arms": (Arm(name="a", share=0), Arm(name="b", share=0))}, "arms"),
    ("routing_policy", {"arms": (Arm(name="a", share=1, channel_groups=("x",)), Arm(name="b", share=0))}, "arms"),
    ("routing_policy", {"attempts_max": 0}, "attempts_max"),
    ("announcement", {"title": ""}, "title"),
    ("announcement", {"starts_at": "soon"}, "starts_at"),
    ("announcement", {"starts_at": "2026-12-02T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}, "ends_at"),
    ("routing_policy", {"hedge_milliseconds": 1}, "hedge_milliseconds"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_right_passes(kind: str) -> None:
    check(kind, None, GOOD[kind], AROUND)


@pytest.mark.parametrize(("kind", "fields", "field"), WRONG)
def test_what_cannot_be_right_is_refused_by_the_name_of_its_field(
    kind: str, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidEntityError) as refusal:
        check(kind, None, msgspec.structs.replace(GOOD[kind], **fields), AROUND)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"networks": ("192.0.2.0/24", "2001:db8::/32", "198.51.100.7")},
        {"expires_at": "2027-01-01T00:00:00Z"},
        {"models": ()},
        {"budgets": BUDGETS},
    ],
)
def test_tokens_may_be_narrowed(fields: dict[str, Any]) -> None:
    check("token", None, msgspec.structs.replace(GOOD["token"], **fields), AROUND)


def test_a_token_is_for_a_member_who_is_there() -> None:
    replace = msgspec.structs.replace
    for owner in (None, replace(OWNER, memberships=()), replace(OWNER, disabled=True)):
        with pytest.raises(InvalidEntityError):
            check("token", None, GOOD["token"], msgspec.structs.replace(AROUND, owner=owner))


@pytest.mark.parametrize("value", ["-0.1", "NaN", "Infinity", "1000001", "0.0000000001"])
def test_a_multiplier_that_cannot_scale_a_price_is_refused(value: str) -> None:
    with pytest.raises(InvalidMultiplierError):
        check("multiplier", None, msgspec.structs.replace(GOOD["multiplier"], value=Decimal(value)), AROUND)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("token", {"tenant_id": 3}),
        ("token", {"user_id": EntityId("x")}),
        ("channel", {"key_version": 2}),
        ("channel", {"key_hint": "...abcd"}),
        ("group", {"label": "other"}),
        ("group", {"side": "channel"}),
        ("multiplier", {"user_group": "all"}),
        ("rate_card", {"use": "cost"}),
        ("mapping", {"tenant_id": TENANT_ID}),
        ("setting", {"name": "setup_completed", "value": True}),
        ("code_batch", {"amount_nanos": 6}),
        ("code_batch", {"hashes": ("2" * 64,)}),
    ],
)
def test_what_others_rely_on_never_changes(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidEntityError, match="never changes"):
        check(kind, GOOD[kind], msgspec.structs.replace(GOOD[kind], **fields), AROUND)


@pytest.mark.parametrize("kind", ["token", "code_batch"])
def test_what_was_revoked_stays_revoked(kind: str) -> None:
    revoked = msgspec.structs.replace(GOOD[kind], revoked=True)

    check(kind, GOOD[kind], revoked, AROUND)
    with pytest.raises(InvalidEntityError) as refusal:
        check(kind, revoked, GOOD[kind], AROUND)
    assert refusal.value.field == "revoked"


UNTIL = "2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        ({"sha256": "1" * 64, "hint": "sk-n"}, True),
        ({"sha256": "1" * 64, "hint": "sk-n", "previous_sha256": "0" * 64, "previous_until": UNTIL}, True),
        ({"sha256": "1" * 64, "previous_sha256": "2" * 64, "previous_until": UNTIL}, False),
        ({"sha256": "1" * 64, "previous_sha256": "0" * 64}, False),
        ({"sha256": "1" * 64, "previous_until": UNTIL}, False),
        ({"sha256": "1" * 64, "previous_sha256": "0" * 64, "previous_until": "soon"}, False),
        ({"previous_sha256": "0" * 64, "previous_until": UNTIL}, False),
        ({"hint": "sk-other"}, False),
    ],
)
def test_a_rotation_leaves_the_secret_before_and_no_other_and_only_until_a_time(
    fields: dict[str, Any], *, good: bool
) -> None:
    after = msgspec.structs.replace(GOOD["token"], **fields)

    if good:
        check("token", GOOD["token"], after, AROUND)
        return
    with pytest.raises(InvalidEntityError):
        check("token", GOOD["token"], after, AROUND)


def test_a_nul_gets_into_nothing_and_what_only_looks_like_one_may() -> None:
    for text, good in (("a\0b", False), ("\\\0", False), ("a\\u0000b", True)):
        token = msgspec.structs.replace(GOOD["token"], tags=(text,))
        if good:
            check("token", None, token, AROUND)
            continue
        with pytest.raises(InvalidEntityError, match="NUL"):
            check("token", None, token, AROUND)


def test_a_draft_may_look_wrong_and_a_published_card_only_by_force() -> None:
    slipped = book(version=2, price="2000")
    published = msgspec.structs.replace(slipped, published=True)

    check("rate_card", None, slipped, AROUND)
    with pytest.raises(RateCardRefusedError):
        check("rate_card", slipped, published, AROUND)
    check("rate_card", slipped, published, AROUND, force=True)


def test_cost_cards_are_compared_within_their_series_only() -> None:
    check("rate_card", None, book(version=2, price="2000", use="cost", series="another", published=True), AROUND)
    with pytest.raises(RateCardRefusedError):
        check(
            "rate_card", None, book(version=2, price="2000", use="cost", series="cost-series", published=True), AROUND
        )


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"version": 2, "days": -31}, InvalidEntityError),
        ({"version": 2, "days": 2000}, InvalidEntityError),
        ({"version": 2, "currency": "EUR"}, InvalidRateCardError),
        ({"version": 1}, CardPublishedError),
    ],
)
def test_a_card_that_would_never_apply_or_mixes_currencies_is_not_published(
    fields: dict[str, Any], error: type[TallygateError]
) -> None:
    with pytest.raises(error):
        check("rate_card", None, book(published=True, **fields), AROUND, force=True)


def test_a_card_that_is_to_come_may_be_withdrawn_and_one_in_force_may_not() -> None:
    check_archive("rate_card", book(published=True, days=1), AROUND)
    check_archive("rate_card", book(days=-1), AROUND)
    with pytest.raises(CardPublishedError):
        check_archive("rate_card", book(published=True, days=-1), AROUND)


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdefg"), max_size=6), st.sampled_from("abcdef"))
def test_leading_back_is_found_exactly_where_following_never_ends(names: dict[str, str], start: str) -> None:
    name: str | None = start
    for _ in range(len(names) + 1):
        name = names.get(name) if name is not None else None
    assert leads_back(names, start) == (name is not None)


def test_a_disabled_mapping_closes_no_circle() -> None:
    around = msgspec.structs.replace(
        AROUND, mappings=(Mapping(mapping_id=EntityId("m"), model="m", target="small", enabled=False),)
    )
    check("mapping", None, GOOD["mapping"], around)
    enabled = msgspec.structs.replace(around.mappings[0], enabled=True)
    with pytest.raises(InvalidEntityError):
        check("mapping", None, GOOD["mapping"], msgspec.structs.replace(around, mappings=(enabled,)))


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_is_made_from_the_events_and_an_id_that_is_there_stays(kind: str) -> None:
    event_id = "01939b3a-0000-7000-8000-00000000abcd"
    field = KINDS[kind].__struct_fields__[0]
    nameless = msgspec.structs.replace(GOOD[kind], **{field: 0 if kind == "tenant" else ""})

    named = with_id(kind, nameless, event_id)

    assert with_id(kind, nameless, event_id) == named
    assert id_of(kind, named) not in {"", "0", event_id}
    assert with_id(kind, GOOD[kind], event_id) is GOOD[kind]


@given(st.integers(min_value=1_767_225_600_000, max_value=2**41 - 1), st.binary(min_size=10, max_size=10))
def test_a_tenants_number_fits_javascript(milliseconds: int, rest: bytes) -> None:
    text = f"{milliseconds:012x}7{rest.hex()[:3]}8{rest.hex()[3:18]}"
    event_id = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    assert PLATFORM < tenant_id_from(event_id) < 2**53


def test_tenants_tokens_and_their_own_mappings_live_in_the_tenants_lane() -> None:
    own = msgspec.structs.replace(GOOD["mapping"], tenant_id=TENANT_ID)

    assert {kind for kind, entity in GOOD.items() if home(kind, entity) == TENANT_ID} == {"tenant", "token"}
    assert home("mapping", own) == TENANT_ID


def test_each_leg_finds_the_words_for_its_refusal() -> None:
    renamed = msgspec.structs.replace(OWNER, login="alicia", platform_role=None)
    root = msgspec.structs.replace(OWNER, platform_role="root")
    change = decide("user", root, renamed, 3)

    refusals = [
        change.refusal(Answer(Code.LIMIT if leg.account_id == ROOTS else Code.VERSION, number))
        for number, leg in enumerate(change.legs, 1)
    ]

    assert isinstance(refusals[0], VersionConflictError)
    assert {type(refusal) for refusal in refusals} >= {VersionConflictError, NameTakenError, LastRootError}
    assert change.refusal(Answer(Code.RANGE, 1)) is None
    assert change.refusal(Answer(Code.VERSION, 0)) is None


def test_a_token_that_is_archived_after_it_was_revoked_is_closed_once() -> None:
    token = GOOD["token"]
    revoked = msgspec.structs.replace(token, revoked=True)

    def closings(before: Token | None, after: Token | None) -> int:
        return sum(leg.op == Op.CLOSE for leg in decide("token", before, after, 1 if before else 0).legs)

    assert closings(token, None) == closings(token, revoked) == closings(None, revoked) == 1
    assert closings(revoked, None) == closings(None, token) == 0


@pytest.mark.parametrize("name", SETTINGS)
def test_each_settings_default_is_a_value_that_it_accepts(name: str) -> None:
    known = SETTINGS[name]

    assert known.accepts(known.default)
    assert known.accepts(None)
    assert not known.accepts(1.5)
    assert known.expected


def channel_fault(name: str, **fields: Any) -> str:
    channel = msgspec.structs.replace(GOOD["channel"], type=name, **fields)
    around = msgspec.structs.replace(AROUND, channel_type=TYPES.get(name))
    try:
        check("channel", None, channel, around)
    except InvalidEntityError as refused:
        return refused.field
    return ""


def test_a_channel_without_an_address_has_its_types_own() -> None:
    assert channel_fault("openai", base_url="") == ""
    assert channel_fault("openai_compatible", base_url="") == "base_url"


def test_the_demo_has_no_address() -> None:
    assert channel_fault("demo", base_url="") == ""
    assert channel_fault("demo") == "base_url"


def test_a_type_that_nobody_knows_is_refused() -> None:
    assert channel_fault("made-up") == "type"


def test_fields_that_a_types_form_demands_must_be_given() -> None:
    assert channel_fault("cloudflare_native") == "options"
    assert channel_fault("cloudflare_native", options={"account_id": "a"}) == ""
    assert channel_fault("dify", options={"app": "chatflow"}) == "options"
