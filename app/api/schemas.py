"""What the REST API takes and gives: flat values in snake_case, money as decimal text, times in ISO 8601.

`<Thing>State` is how a thing stands, as its history shows it before and after a change; `<Thing>View` adds when and
how often it changed. `New<Thing>` creates, `<Thing>Change` names what is to be different and leaves out the rest.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from adapters.postgres.admin_store import HistoryEntry, Stored
from app.api.permissions import Scope
from domain.admin import entities as e
from domain.admin.entities import Disconnect, Label, Limits, Period, PlatformRole, TenantRole
from domain.grants.events import GrantKind
from domain.ids import EntityId, TenantId
from domain.metering.usage import TokenUsage
from domain.money import format_amount, parse_amount
from domain.pricing.rate_card import ModelPrice, PriceTier, RateCard

T = TypeVar("T")

Amount = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,9})?$", examples=["12.50"])]
"""A plain decimal number as text, of at most nine decimal places."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A line of text. A database column of text holds no NUL, so none may get into an event that is folded into one."""
Reason = Annotated[str, msgspec.Meta(max_length=1000, pattern=r"^[^\x00]*$")]
"""Why: kept for ever beside what was changed."""
Reference = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Login = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._@+-]{0,126}$")]
Password = Annotated[str, msgspec.Meta(max_length=1024)]
ModelNames = Annotated[tuple[Name, ...], msgspec.Meta(max_length=1000)]
CacheSeconds = Annotated[int, msgspec.Meta(ge=0, le=7 * 86_400)]
Tags = Annotated[tuple[Annotated[str, msgspec.Meta(max_length=100)], ...], msgspec.Meta(max_length=50)]
DecimalText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$", examples=["1.25"])]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request's body: a field that is not known is refused, for a typing error would otherwise go unnoticed."""


class Reasoned(Body, frozen=True, kw_only=True):
    """A body that says why."""

    reason: Reason = ""


class Versioned(Protocol):
    """What every view of an administered thing has beside its own fields."""

    @property
    def version(self) -> int:
        """The number of its changes; the ETag that a change must name."""
        ...


class Listing(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A part of a list, the newest first."""

    items: tuple[T, ...]
    next: str | None
    """What to send as `after` for the next part; null at the end."""


class HistoryItem(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One change: who did it, when, why, and what was different."""

    event_id: str
    version: int
    type: str
    at: dt.datetime
    actor: str
    reason: str
    before: T | None
    after: T | None


class History(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """The changes of a thing, the latest first."""

    items: tuple[HistoryItem[T], ...]


class LimitsBody(Limits, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Rates, counted over calendar minutes on every node together; null is no limit."""


class TierBody(PriceTier, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Prices for the whole request once its input reaches a length."""


class PriceBody(ModelPrice, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one model costs, as decimal text: per million tokens, or per unit."""

    tiers: tuple[TierBody, ...] = ()


def limits_in(body: LimitsBody) -> Limits:
    """Give the limits that a body names."""
    return Limits(**msgspec.structs.asdict(body))


def prices_in(bodies: dict[str, PriceBody]) -> dict[str, ModelPrice]:
    """Give the prices that a body names, as the domain's own type."""
    return msgspec.json.decode(msgspec.json.encode(bodies), type=dict[str, ModelPrice])


# Budgets: money as text like all money, tokens as a whole number in the same form.


class BudgetBody(Body, frozen=True, kw_only=True):
    """The most that may be spent in each window of the tenant's time zone."""

    unit: Literal["money", "tokens"]
    period: Period
    amount: Amount
    """Money in units of the currency; tokens as a whole number."""


Budgets = Annotated[tuple[BudgetBody, ...], msgspec.Meta(max_length=8)]


def budgets_in(bodies: Sequence[BudgetBody]) -> tuple[e.Budget, ...]:
    """Give the budgets that a body names; raises MoneyError."""
    return tuple(e.Budget(body.unit, body.period, _budget_amount(body)) for body in bodies)


def budgets_out(budgets: Sequence[e.Budget]) -> tuple[BudgetBody, ...]:
    """Give budgets as the API shows them."""
    return tuple(
        BudgetBody(
            unit=budget.unit,
            period=budget.period,
            amount=format_amount(budget.amount) if budget.unit == "money" else str(budget.amount),
        )
        for budget in budgets
    )


def _budget_amount(body: BudgetBody) -> int:
    if body.unit == "money":
        return parse_amount(body.amount)
    # Tokens have no fractions: reading them as money finds one exactly, and reads "5.0" as five.
    tokens, rest = divmod(parse_amount(body.amount), 10**9)
    if rest:
        raise msgspec.ValidationError("a budget of tokens is a whole number - at `$.budgets`")
    return tokens


def meta(stored: Stored) -> dict[str, Any]:
    """Give how often and when a thing changed."""
    return {
        "version": stored.version,
        "archived": stored.archived,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
    }


# Tenants.


class TenantState(msgspec.Struct, frozen=True, kw_only=True):
    """A billed customer."""

    id: TenantId
    name: str
    user_group: str
    time_zone: str
    suspended: bool
    disconnect: Disconnect
    lower_output_limit: bool
    credit_limit: str
    limits: Limits
    budgets: tuple[BudgetBody, ...]


class TenantView(TenantState, frozen=True, kw_only=True):
    """A tenant as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewTenant(Reasoned, frozen=True, kw_only=True):
    """What a tenant starts with."""

    name: Name
    user_group: Label = "default"
    time_zone: str = "UTC"
    disconnect: Disconnect = "drain"
    lower_output_limit: bool = True
    credit_limit: Amount = "0"
    limits: LimitsBody = LimitsBody()
    budgets: Budgets = ()


class TenantChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different. Group, credit limit, limits, budgets and suspension are the operator's."""

    name: Name | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    disconnect: Disconnect | UnsetType = UNSET
    lower_output_limit: bool | UnsetType = UNSET
    user_group: Label | UnsetType = UNSET
    suspended: bool | UnsetType = UNSET
    credit_limit: Amount | UnsetType = UNSET
    limits: LimitsBody | UnsetType = UNSET
    budgets: Budgets | UnsetType = UNSET


TENANTS_OWN = frozenset({"name", "time_zone", "disconnect", "lower_output_limit"})
"""What a tenant's own people may change of it."""


def tenant_state(tenant: e.Tenant) -> TenantState:
    """Give a tenant as the API shows it."""
    return TenantState(
        id=tenant.tenant_id,
        name=tenant.name,
        user_group=tenant.user_group,
        time_zone=tenant.time_zone,
        suspended=tenant.suspended,
        disconnect=tenant.disconnect,
        lower_output_limit=tenant.lower_output_limit,
        credit_limit=format_amount(tenant.credit_limit_nanos),
        limits=tenant.limits,
        budgets=budgets_out(tenant.budgets),
    )


# Users and members.


class MembershipBody(Body, frozen=True, kw_only=True):
    """A user's place in a tenant."""

    tenant_id: TenantId
    role: TenantRole
    budgets: Budgets = ()


class UserState(msgspec.Struct, frozen=True, kw_only=True):
    """A person who logs in."""

    id: EntityId
    login: str
    name: str
    platform_role: PlatformRole | None
    memberships: tuple[MembershipBody, ...]
    disabled: bool
    must_change_password: bool


class UserView(UserState, frozen=True, kw_only=True):
    """A user as they stand."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewUser(Reasoned, frozen=True, kw_only=True):
    """A person, who must change this password at the first login."""

    login: Login
    name: Name
    password: Password
    platform_role: PlatformRole | None = None
    memberships: Annotated[tuple[MembershipBody, ...], msgspec.Meta(max_length=100)] = ()


class UserChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different."""

    login: Login | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    platform_role: PlatformRole | UnsetType | None = UNSET
    memberships: Annotated[tuple[MembershipBody, ...], msgspec.Meta(max_length=100)] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class PasswordReset(Reasoned, frozen=True, kw_only=True):
    """A new first password for somebody else, to be changed at their next login."""

    password: Password


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """A user as their tenant sees them: nothing of other tenants, nothing of the platform."""

    user_id: EntityId
    login: str
    name: str
    role: TenantRole
    budgets: tuple[BudgetBody, ...]
    disabled: bool
    version: int


class NewMember(Reasoned, frozen=True, kw_only=True):
    """A new person in a tenant, who must change this password at the first login."""

    login: Login
    name: Name
    password: Password
    role: TenantRole = "member"
    budgets: Budgets = ()


class MemberChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different of a member's place."""

    role: TenantRole | UnsetType = UNSET
    budgets: Budgets | UnsetType = UNSET


def memberships_in(bodies: Sequence[MembershipBody]) -> tuple[e.Membership, ...]:
    """Give the memberships that a body names."""
    return tuple(e.Membership(body.tenant_id, body.role, budgets_in(body.budgets)) for body in bodies)


def user_state(user: e.User) -> UserState:
    """Give a user as the API shows them to the operator."""
    return UserState(
        id=user.user_id,
        login=user.login,
        name=user.name,
        platform_role=user.platform_role,
        memberships=tuple(
            MembershipBody(tenant_id=each.tenant_id, role=each.role, budgets=budgets_out(each.budgets))
            for each in user.memberships
        ),
        disabled=user.disabled,
        must_change_password=user.must_change_password,
    )


# Tokens.


class TokenState(msgspec.Struct, frozen=True, kw_only=True):
    """An API key; the key itself was shown once."""

    id: EntityId
    tenant_id: TenantId
    user_id: EntityId
    name: str
    hint: str
    revoked: bool
    expires_at: str | None
    models: tuple[str, ...] | None
    networks: tuple[str, ...]
    limits: Limits
    budgets: tuple[BudgetBody, ...]
    tags: tuple[str, ...]
    cache_seconds: int


class TokenView(TokenState, frozen=True, kw_only=True):
    """A token as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class CreatedToken(TokenView, frozen=True, kw_only=True):
    """A new token with its secret, which is never shown again."""

    secret: str


class NewToken(Reasoned, frozen=True, kw_only=True):
    """An API key of a member of a tenant."""

    tenant_id: TenantId
    user_id: EntityId | None = None
    """Whose it is; oneself if left out."""
    name: Name
    expires_at: dt.datetime | None = None
    models: ModelNames | None = None
    networks: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    limits: LimitsBody = LimitsBody()
    budgets: Budgets = ()
    tags: Tags = ()
    cache_seconds: CacheSeconds = 0
    """How long an answer may be given again to the very same request; 0 is never."""


class TokenChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different; `revoked` cannot be taken back."""

    name: Name | UnsetType = UNSET
    revoked: Literal[True] | UnsetType = UNSET
    expires_at: dt.datetime | UnsetType | None = UNSET
    models: ModelNames | UnsetType | None = UNSET
    networks: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] | UnsetType = UNSET
    limits: LimitsBody | UnsetType = UNSET
    budgets: Budgets | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    cache_seconds: CacheSeconds | UnsetType = UNSET


def token_state(token: e.Token) -> TokenState:
    """Give a token as the API shows it: without its hash."""
    return TokenState(
        id=token.token_id,
        tenant_id=token.tenant_id,
        user_id=token.user_id,
        name=token.name,
        hint=token.hint,
        revoked=token.revoked,
        expires_at=token.expires_at,
        models=token.models,
        networks=token.networks,
        limits=token.limits,
        budgets=budgets_out(token.budgets),
        tags=token.tags,
        cache_seconds=token.cache_seconds,
    )


# Channels.


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor credential; its key can be written, never read."""

    id: EntityId
    name: str
    type: str
    base_url: str
    options: dict[str, str]
    drops_unsupported: bool
    key_hint: str
    key_version: int
    models: tuple[str, ...]
    model_map: dict[str, str]
    channel_groups: tuple[str, ...]
    weight: int
    priority: int
    enabled: bool
    cost_card_id: EntityId | None
    limits: Limits
    context_tokens_max: int | None


class ChannelView(ChannelState, frozen=True, kw_only=True):
    """A channel as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


VendorKey = Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)]
"""One key, or several on a line each; a service account's JSON as it is."""
Weight = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
ContextTokens = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
Priority = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]


class NewChannel(Reasoned, frozen=True, kw_only=True):
    """A vendor to call, and the key to call it with."""

    name: Name
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    """A channel type's name, or One API's number for it."""
    base_url: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    """Empty is the type's own."""
    options: dict[str, str] = {}
    """The fields of the type's form."""
    drops_unsupported: bool = False
    """Leave out parameters that the vendor cannot do, rather than refuse calls that have them."""
    key: VendorKey | None = None
    """Kept encrypted, and never given back."""
    models: ModelNames = ()
    model_map: dict[str, str] = {}
    channel_groups: tuple[Label, ...] = ("default",)
    weight: Weight = 100
    priority: Priority = 0
    enabled: bool = True
    cost_card_id: EntityId | None = None
    limits: LimitsBody = LimitsBody()
    """What the vendor allows, over all nodes and tenants."""
    context_tokens_max: ContextTokens | None = None
    """Longer requests are sent elsewhere; null is unknown."""


class ChannelChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different; a new key has a route of its own."""

    name: Name | UnsetType = UNSET
    base_url: Annotated[str, msgspec.Meta(max_length=2000)] | UnsetType = UNSET
    options: dict[str, str] | UnsetType = UNSET
    drops_unsupported: bool | UnsetType = UNSET
    models: ModelNames | UnsetType = UNSET
    model_map: dict[str, str] | UnsetType = UNSET
    channel_groups: tuple[Label, ...] | UnsetType = UNSET
    weight: Weight | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    cost_card_id: EntityId | UnsetType | None = UNSET
    limits: LimitsBody | UnsetType = UNSET
    context_tokens_max: ContextTokens | UnsetType | None = UNSET


class NewChannelKey(Reasoned, frozen=True, kw_only=True):
    """A vendor's new key."""

    key: VendorKey


def channel_state(channel: e.Channel) -> ChannelState:
    """Give a channel as the API shows it."""
    return ChannelState(
        id=channel.channel_id,
        name=channel.name,
        type=channel.type,
        base_url=channel.base_url,
        options=channel.options,
        drops_unsupported=channel.drops_unsupported,
        key_hint=channel.key_hint,
        key_version=channel.key_version,
        models=channel.models,
        model_map=channel.model_map,
        channel_groups=channel.channel_groups,
        weight=channel.weight,
        priority=channel.priority,
        enabled=channel.enabled,
        cost_card_id=channel.cost_card_id,
        limits=channel.limits,
        context_tokens_max=channel.context_tokens_max,
    )


# Groups and multipliers.


class GroupState(msgspec.Struct, frozen=True, kw_only=True):
    """A label on tenants or on channels."""

    id: EntityId
    side: Literal["user", "channel"]
    label: str
    name: str
    allowance: str
    allowance_period: Period


class GroupView(GroupState, frozen=True, kw_only=True):
    """A group as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewGroup(Reasoned, frozen=True, kw_only=True):
    """A label on tenants (`user`) or on channels (`channel`)."""

    side: Literal["user", "channel"]
    label: Label
    name: Name
    allowance: Amount = "0"
    """User groups: free use per period at list price, where the multiplier is 0."""
    allowance_period: Period = "month"


class GroupChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different."""

    name: Name | UnsetType = UNSET
    allowance: Amount | UnsetType = UNSET
    allowance_period: Period | UnsetType = UNSET


def group_state(group: e.Group) -> GroupState:
    """Give a group as the API shows it."""
    return GroupState(
        id=group.group_id,
        side=group.side,
        label=group.label,
        name=group.name,
        allowance=format_amount(group.allowance_nanos),
        allowance_period=group.allowance_period,
    )


class MultiplierState(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the multiplier matrix."""

    id: EntityId
    user_group: str
    channel_group: str
    multiplier: str


class MultiplierView(MultiplierState, frozen=True, kw_only=True):
    """A cell as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewMultiplier(Reasoned, frozen=True, kw_only=True):
    """How prices scale for a user group on a channel group; `all` stands for every group."""

    user_group: Label
    channel_group: Label
    multiplier: DecimalText


class MultiplierChange(Reasoned, frozen=True, kw_only=True):
    """The cell's new value."""

    multiplier: DecimalText


def multiplier_state(cell: e.Multiplier) -> MultiplierState:
    """Give a cell as the API shows it."""
    return MultiplierState(
        id=cell.multiplier_id,
        user_group=cell.user_group,
        channel_group=cell.channel_group,
        multiplier=f"{cell.value:f}",
    )


# Rate cards.


class CardSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A rate card without its prices."""

    id: EntityId
    series_id: EntityId
    card_version: int
    use: Literal["sale", "cost"]
    published: bool
    currency: str
    source: str
    effective_from: dt.datetime
    model_count: int


class CardSummaryView(CardSummary, frozen=True, kw_only=True):
    """A rate card in a list."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class CardState(CardSummary, frozen=True, kw_only=True):
    """A rate card: prices are decimal text per million tokens, or per unit."""

    models: dict[str, ModelPrice]
    aliases: dict[str, str]


class CardView(CardState, frozen=True, kw_only=True):
    """A rate card as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewCard(Reasoned, frozen=True, kw_only=True):
    """A draft. A later version of a card names the same series and a higher number."""

    series_id: EntityId | None = None
    card_version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = 1
    use: Literal["sale", "cost"] = "sale"
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] = "USD"
    source: Reference = ""
    effective_from: dt.datetime
    models: dict[str, PriceBody]
    aliases: dict[str, str] = {}


class CardChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different of a draft."""

    card_version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | UnsetType = UNSET
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] | UnsetType = UNSET
    source: Reference | UnsetType = UNSET
    effective_from: dt.datetime | UnsetType = UNSET
    models: dict[str, PriceBody] | UnsetType = UNSET
    aliases: dict[str, str] | UnsetType = UNSET


class Publication(Reasoned, frozen=True, kw_only=True):
    """From here on the card never changes."""

    force: bool = False
    """Publish it although the lint found errors."""


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or looks wrong, with a card."""

    severity: Literal["error", "warning"]
    code: str
    model: str
    message: str


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What the price lint says; errors keep a card from being published unless it is forced."""

    items: tuple[FindingView, ...]


def card_summary(book: e.PriceBook) -> CardSummary:
    """Give a card without its prices."""
    return CardSummary(**_card_head(book))


def card_state(book: e.PriceBook) -> CardState:
    """Give a card as the API shows it."""
    return CardState(**_card_head(book), models=book.card.models, aliases=book.card.aliases)


def _card_head(book: e.PriceBook) -> dict[str, Any]:
    card: RateCard = book.card
    return {
        "id": book.card_id,
        "series_id": card.card_id,
        "card_version": card.version,
        "use": book.use,
        "published": book.published,
        "currency": card.currency,
        "source": card.source,
        "effective_from": card.effective_from,
        "model_count": len(card.models),
    }


# Mappings and settings.


class MappingState(msgspec.Struct, frozen=True, kw_only=True):
    """Another name for a model."""

    id: EntityId
    model: str
    target: str
    tenant_id: TenantId | None
    billed: Literal["asked", "routed"]
    enabled: bool


class MappingView(MappingState, frozen=True, kw_only=True):
    """A mapping as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewMapping(Reasoned, frozen=True, kw_only=True):
    """A name that stands for another model, for everybody or for one tenant."""

    model: Name
    target: Name
    tenant_id: TenantId | None = None
    billed: Literal["asked", "routed"] = "routed"
    enabled: bool = True


class MappingChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different."""

    model: Name | UnsetType = UNSET
    target: Name | UnsetType = UNSET
    billed: Literal["asked", "routed"] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


def mapping_state(mapping: e.Mapping) -> MappingState:
    """Give a mapping as the API shows it."""
    return MappingState(
        id=mapping.mapping_id,
        model=mapping.model,
        target=mapping.target,
        tenant_id=mapping.tenant_id,
        billed=mapping.billed,
        enabled=mapping.enabled,
    )


class SettingState(msgspec.Struct, frozen=True, kw_only=True):
    """One value that the operator chose."""

    id: EntityId
    name: str
    value: str | int | bool | None


class SettingView(SettingState, frozen=True, kw_only=True):
    """A setting as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewSetting(Reasoned, frozen=True, kw_only=True):
    """A setting that has been at its default."""

    name: Name
    value: str | int | bool | None


class SettingChange(Reasoned, frozen=True, kw_only=True):
    """The setting's new value; null goes back to the default."""

    value: str | int | bool | None


def setting_state(setting: e.Setting) -> SettingState:
    """Give a setting as the API shows it."""
    return SettingState(id=setting.setting_id, name=setting.name, value=setting.value)


# Redemption codes.


class BatchState(msgspec.Struct, frozen=True, kw_only=True):
    """Codes made together; the codes themselves were shown once."""

    id: EntityId
    name: str
    count: int
    amount: str
    kind: GrantKind
    priority: int
    uses_per_code: int
    uses_per_tenant: int
    expires_at: str | None
    grant_days: int | None
    revoked: bool


class BatchView(BatchState, frozen=True, kw_only=True):
    """A batch as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class CreatedBatch(BatchView, frozen=True, kw_only=True):
    """A new batch with its codes, which are never shown again."""

    codes: tuple[str, ...]


class NewBatch(Reasoned, frozen=True, kw_only=True):
    """Codes to be made."""

    name: Name
    count: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    amount: Amount
    kind: GrantKind = "promotional"
    priority: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    uses_per_code: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    uses_per_tenant: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    expires_at: dt.datetime | None = None
    """When the codes stop working."""
    grant_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] | None = None
    """How long the credit lasts once redeemed."""


class BatchChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different; `revoked` cannot be taken back."""

    name: Name | UnsetType = UNSET
    revoked: Literal[True] | UnsetType = UNSET


def batch_state(batch: e.CodeBatch) -> BatchState:
    """Give a batch as the API shows it: without the hashes of its codes."""
    return BatchState(
        id=batch.batch_id,
        name=batch.name,
        count=len(batch.hashes),
        amount=format_amount(batch.amount_nanos),
        kind=batch.kind,
        priority=batch.priority,
        uses_per_code=batch.uses_per_code,
        uses_per_tenant=batch.uses_per_tenant,
        expires_at=batch.expires_at,
        grant_days=batch.grant_days,
        revoked=batch.revoked,
    )


class Redemption(Body, frozen=True, kw_only=True):
    """A code, however its letters and dashes were typed."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


# Money.


class TopUp(Reasoned, frozen=True, kw_only=True):
    """Money that was paid in."""

    amount: Amount
    reference: Reference = ""
    """The operator's payment or invoice number."""


class NewGrant(Reasoned, frozen=True, kw_only=True):
    """Credit, on terms of its own."""

    amount: Amount
    kind: GrantKind
    priority: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    """0 burns first, 100 last; among equals the one that expires first, then the older."""
    expires_at: dt.datetime | None = None
    reference: Reference = ""


class Adjustment(Body, frozen=True, kw_only=True):
    """Credit to be taken back, in burn order."""

    amount: Amount
    strict: bool = True
    """Refuse what the wallet does not cover; otherwise the rest becomes a debt."""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
    reference: Reference = ""


class MovementView(msgspec.Struct, frozen=True, kw_only=True):
    """What a movement of money did."""

    event_id: str
    amount: str
    balance: str
    """What the wallet could spend at once afterwards."""
    grant_id: EntityId | None
    expires_at: str | None


class GrantView(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a grant."""

    id: EntityId
    kind: str
    remaining: str
    held: str
    priority: int
    expires_at: dt.datetime | None
    granted_at: dt.datetime


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """Credit that is set aside for a request under way."""

    request_id: str
    held: str
    expires_at: dt.datetime
    token_id: EntityId | None
    user_id: EntityId | None
    model: str


class SpendView(msgspec.Struct, frozen=True, kw_only=True):
    """What a token or a member has spent in all."""

    id: EntityId
    name: str
    spent: str
    held: str


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet, straight from the ledger."""

    tenant_id: TenantId
    currency: str
    balance: str
    held: str
    available: str
    """What a new request can hold: balance minus held, plus what may still be owed."""
    owed: str
    credit_limit: str
    grants: tuple[GrantView, ...]
    """In the order in which they burn."""
    holds: tuple[HoldView, ...]
    """The hundred that expire first."""
    holds_open: int
    tokens: tuple[SpendView, ...]
    """The newest hundred."""
    users: tuple[SpendView, ...]


# Receipts.


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """What an event did to an account, in the account's own unit: nano-units for money."""

    account: str
    posted: int
    held: int


class LimitView(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that the request was checked against; amounts in the limit's own unit."""

    name: str
    amount: int
    limit: int | None


class RoutingView(msgspec.Struct, frozen=True, kw_only=True):
    """How the channels to try were chosen."""

    mode: str
    policy_id: EntityId | None
    arm: str | None
    candidates: tuple[EntityId, ...]
    """In the order of trying, where there was more than one."""
    fell_out: dict[EntityId, str]
    """Why each other channel that serves the model was none."""


class ReceiptHold(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, and what was set aside for it."""

    event_id: str
    at: dt.datetime
    surface: str
    stream: bool
    model_asked: str
    model_billed: str
    token_id: EntityId
    user_id: EntityId
    authorized: str
    allowance: str
    prompt_tokens_upper: int
    output_tokens_max: int
    output_limit_lowered: bool
    user_group: str
    channel_group: str
    tags: tuple[str, ...]
    limits: tuple[LimitView, ...]
    routing: RoutingView | None
    """For the operator's eyes only."""
    entries: tuple[EntryView, ...]


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One call to one vendor."""

    channel_id: EntityId
    model_routed: str
    outcome: str
    status: int
    code: str
    latency_milliseconds: int
    first_byte_milliseconds: int | None
    cost: str | None
    """What the vendor charges the operator; for the operator's eyes only."""


class ReceiptEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How the request ended."""

    event_id: str
    type: str
    at: dt.datetime
    actor: str
    reason: str | None
    outcome: str | None
    basis: str | None
    usage: TokenUsage | None
    cached: bool
    """The gateway had the answer already: no vendor was asked."""
    overrun: str
    entries: tuple[EntryView, ...]


class PriceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One meter of the charge."""

    meter: str
    quantity: int
    price: str
    per: int
    subtotal_nanos: str


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    """The charge, all its factors, and the proof that they make it."""

    charged: str
    recomputed: str
    matches: bool
    exact_nanos: str
    rounding: str
    multiplier: str
    multiplier_id: EntityId | None
    card_id: EntityId
    card_version: int
    input_tokens_from: int
    paid_by_allowance: bool
    lines: tuple[PriceLine, ...]


class AdjustmentView(msgspec.Struct, frozen=True, kw_only=True):
    """Usage that turned up after the end."""

    event_id: str
    at: dt.datetime
    charged: str
    reason: str
    basis: str
    usage: TokenUsage
    entries: tuple[EntryView, ...]


class BurnView(msgspec.Struct, frozen=True, kw_only=True):
    """What one grant, or the credit line, paid."""

    account: str
    amount: str


class ReceiptView(msgspec.Struct, frozen=True, kw_only=True):
    """All that the log knows of one request."""

    request_id: str
    tenant_id: TenantId
    state: Literal["held", "captured", "voided", "expired"]
    currency: str
    hold: ReceiptHold
    attempts: tuple[AttemptView, ...]
    end: ReceiptEnd | None
    price: PriceView | None
    adjustments: tuple[AdjustmentView, ...]
    burnt: tuple[BurnView, ...]
    text: tuple[str, ...]


# Sessions and personal access tokens.


class Credentials(Body, frozen=True, kw_only=True):
    """Who somebody says that they are."""

    login: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session that was opened; the cookie came beside it."""

    user: UserState
    csrf_token: str
    """To be sent as X-CSRF-Token with every change; also in a cookie that scripts may read."""
    expires_at: dt.datetime


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the API takes you for."""

    user: UserState
    scopes: tuple[Scope, ...]
    platform_permissions: tuple[str, ...]
    tenant_permissions: dict[str, tuple[str, ...]]
    """By tenant id."""


class NewPassword(Body, frozen=True, kw_only=True):
    """One's own new password."""

    current: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    new: Password


class PersonalTokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A key for this API; the key itself was shown once."""

    id: EntityId
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    created_at: dt.datetime
    seen_at: dt.datetime | None
    expires_at: dt.datetime | None


class CreatedPersonalToken(PersonalTokenView, frozen=True, kw_only=True):
    """A new key for this API, which is never shown again."""

    secret: str


class NewPersonalToken(Body, frozen=True, kw_only=True):
    """A key for this API."""

    name: Name
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1, max_length=3)]
    expires_at: dt.datetime | None = None


def history_item(entry: HistoryEntry, state: Any) -> HistoryItem[Any]:
    """Give one change, its before and after made by `state`; a new vendor key changes nothing that can be shown."""
    before, after = getattr(entry.value, "before", None), getattr(entry.value, "after", None)
    return HistoryItem(
        event_id=entry.event_id,
        version=entry.version,
        type=entry.type,
        at=entry.recorded_at,
        actor=entry.actor,
        reason=entry.value.reason,
        before=state(before) if before is not None else None,
        after=state(after) if after is not None else None,
    )


def given(change: msgspec.Struct) -> dict[str, Any]:
    """Give the fields that a change names, by name; `reason` and `force` are not of the thing."""
    fields = {name: getattr(change, name) for name in change.__struct_fields__ if name not in {"reason", "force"}}
    values = {name: value for name, value in fields.items() if value is not UNSET}
    for name, convert in _CONVERSIONS.items():
        if name in values:
            renamed, function = convert
            values[renamed] = function(values.pop(name))
    return values


_CONVERSIONS: dict[str, tuple[str, Any]] = {
    "budgets": ("budgets", budgets_in),
    "limits": ("limits", limits_in),
    "models": ("models", lambda models: prices_in(models) if isinstance(models, dict) else models),
    "memberships": ("memberships", memberships_in),
    "credit_limit": ("credit_limit_nanos", parse_amount),
    "allowance": ("allowance_nanos", parse_amount),
    "expires_at": ("expires_at", lambda at: at.isoformat() if at is not None else None),
    "multiplier": ("value", Decimal),
}
