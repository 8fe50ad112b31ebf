"""The things that people administer. Each is an immutable value; a change is an event with before and after.

No secret is in any of these: a token is known by its hash, a vendor's key by its last characters, a password
not at all.
"""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from domain.ids import EntityId, TenantId
from domain.pricing.rate_card import RateCard

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
"""PostgreSQL's text holds no NUL, and a read model that cannot store a name would stand still."""
Label = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""A group's name: lower case, no blanks; `all` is the wildcard of the multiplier matrix and no group's name."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Nanos = Annotated[int, msgspec.Meta(ge=0, le=10**18)]
Period = Literal["total", "day", "week", "month"]
Disconnect = Literal["drain", "abort"]
RoutingMode = Literal["weighted", "cheapest", "fastest", "least_busy", "sticky"]
PlatformRole = Literal["root", "admin", "auditor", "support"]
TenantRole = Literal["owner", "admin", "member", "billing", "viewer"]
Language = Literal["", "en", "zh-CN"]
Theme = Literal["system", "light", "dark"]


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rates, counted over calendar minutes on every node together; None is no limit."""

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrency: Count | None = None


class Budget(msgspec.Struct, frozen=True):
    """The most that may be spent in a window of the tenant's time zone."""

    unit: Literal["money", "tokens"]
    """Money counts nano-units, tokens count all classes."""
    period: Period
    amount: Count


class Tenant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A billed customer."""

    tenant_id: TenantId
    name: Name
    user_group: Label = "default"
    time_zone: str = "UTC"
    suspended: bool = False
    disconnect: Disconnect = "drain"
    """When the client has gone: read the vendor to its end, or cancel it and bill what was delivered."""
    lower_output_limit: bool = True
    """Lower a call's output limit to what the wallet covers, rather than refuse the call."""
    credit_limit_nanos: Nanos = 0
    """How far the wallet may go below zero: 0 is prepaid."""
    limits: Limits = Limits()
    budgets: tuple[Budget, ...] = ()


class Membership(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user's place in a tenant."""

    tenant_id: TenantId
    role: TenantRole
    budgets: tuple[Budget, ...] = ()
    """What this member may spend of the tenant's money, over all tokens."""


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person who logs in."""

    user_id: EntityId
    login: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._@+-]{0,126}$")]
    name: Name
    platform_role: PlatformRole | None = None
    memberships: tuple[Membership, ...] = ()
    disabled: bool = False
    must_change_password: bool = False
    language: Language = ""
    """Of the console; empty is the browser's."""
    theme: Theme = "system"
    time_zone: str = ""
    """In which the console shows times; empty is the browser's."""


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API key of a tenant's user."""

    token_id: EntityId
    tenant_id: TenantId
    user_id: EntityId
    name: Name
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    hint: str
    """The first and last characters, for people to tell tokens apart."""
    previous_sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Of the secret before the last rotation, which works on for a while; empty is none."""
    previous_until: str | None = None
    """Until when the secret before works."""
    revoked: bool = False
    expires_at: str | None = None
    models: tuple[str, ...] | None = None
    """Models it may ask for; None is all."""
    networks: tuple[str, ...] = ()
    """CIDR blocks that it may be used from; none is everywhere."""
    limits: Limits = Limits()
    budgets: tuple[Budget, ...] = ()
    tags: tuple[str, ...] = ()
    cache_seconds: Annotated[int, msgspec.Meta(ge=0, le=7 * 86_400)] = 0
    """How long an answer may be given again to the very same request; 0 is never."""


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One vendor credential."""

    channel_id: EntityId
    name: Name
    type: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    """A channel type's name, such as openai."""
    base_url: str = ""
    """Empty is the type's own."""
    options: dict[str, Annotated[str, msgspec.Meta(max_length=2000)]] = {}
    """The fields that the type's form asks for beside these; no secrets."""
    drops_unsupported: bool = False
    """Leave out parameters that the vendor cannot do, rather than refuse calls that have them."""
    key_hint: str = ""
    """The last characters of the key; the key itself is encrypted in a table of its own."""
    key_version: int = 0
    """Grows with each new key, so that every process knows when to read it again."""
    models: tuple[str, ...] = ()
    model_map: dict[str, str] = {}
    """From the name that clients ask for to the vendor's own name."""
    channel_groups: tuple[Label, ...] = ("default",)
    weight: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 100
    priority: int = 0
    """Channels of the highest priority are tried first."""
    enabled: bool = True
    cost_card_id: EntityId | None = None
    limits: Limits = Limits()
    """What the vendor allows its credential, over all nodes and tenants."""
    context_tokens_max: Count | None = None
    """Longer requests are sent elsewhere; None is unknown."""


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A label on tenants or on channels, with what it brings."""

    group_id: EntityId
    side: Literal["user", "channel"]
    label: Label
    name: Name
    allowance_nanos: Nanos = 0
    """User groups: free use per period at list price, where the multiplier is 0."""
    allowance_period: Period = "month"


class Multiplier(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the multiplier matrix."""

    multiplier_id: EntityId
    user_group: str
    """A user group's label, or `all`."""
    channel_group: str
    """A channel group's label, or `all`."""
    value: Decimal


class PriceBook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rate card and where it stands: a draft may change, a published card never does."""

    card_id: EntityId
    published: bool = False
    use: Literal["sale", "cost"] = "sale"
    """Sale cards price what tenants pay, cost cards what a channel's vendor charges the operator."""
    card: RateCard


class Mapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another name for a model, for everybody or for one tenant."""

    mapping_id: EntityId
    model: Name
    target: Name
    tenant_id: TenantId | None = None
    billed: Literal["asked", "routed"] = "routed"
    """Whose price is charged."""
    enabled: bool = True


class Arm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One side of an experiment: a share of the keys, and what is different for them."""

    name: Label
    share: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    """In proportion to the other arms'."""
    channel_groups: tuple[Label, ...] = ()
    """Only channels of these; none is those of the policy."""
    model: str = ""
    """Served instead of the one asked for; empty is none."""


class RoutingPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a channel is chosen, for a model, a user group or a tenant; the most specific policy wins."""

    policy_id: EntityId
    name: Name
    model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """As clients ask for it; empty is every model."""
    user_group: str = ""
    """Empty is every group; not beside a tenant."""
    tenant_id: TenantId | None = None
    mode: RoutingMode = "weighted"
    channel_groups: tuple[Label, ...] = ()
    """Only channels of these groups; none is all."""
    fallbacks: tuple[Name, ...] = ()
    """Models to go on with, in this order, when no channel of the one asked for can serve it."""
    fallback_billed: Literal["asked", "routed"] = "routed"
    """Whose price is charged when another model answered: a fallback, or that of an arm."""
    arms: tuple[Arm, ...] = ()
    sticky_by: Literal["user", "conversation"] = "user"
    """What a sticky choice and an experiment's arm stick to. Where a request has neither, to its token."""
    attempts_max: Annotated[int, msgspec.Meta(ge=1, le=16)] = 8
    attempts_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 120
    """No attempt begins later than this after the first."""
    hedge_milliseconds: Annotated[int, msgspec.Meta(ge=50, le=600_000)] | None = None
    """When a second channel is asked beside the first, if that has not begun to answer; None is never."""
    enabled: bool = True


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One value that the operator chose."""

    setting_id: EntityId
    name: Name
    value: str | int | bool | None


class Announcement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that people are told on every page for a while."""

    announcement_id: EntityId
    title: Name
    body: Annotated[str, msgspec.Meta(max_length=20_000)] = ""
    """Markdown."""
    level: Literal["info", "warning", "critical"] = "info"
    audience: Literal["everyone", "users", "operators"] = "users"
    """`everyone` reads it without logging in, `users` are all who log in."""
    starts_at: str | None = None
    ends_at: str | None = None


class CodeBatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Redemption codes made together; the codes themselves were shown once and are known by their hashes."""

    batch_id: EntityId
    name: Name
    amount_nanos: Nanos
    kind: Literal["paid", "promotional", "allowance"] = "promotional"
    priority: int = 50
    uses_per_code: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    uses_per_tenant: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    expires_at: str | None = None
    """When the codes stop working."""
    grant_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] | None = None
    """How long the credit lasts once redeemed; None is for ever."""
    hashes: tuple[str, ...] = ()
    """SHA-256 of each code."""
    revoked: bool = False


Entity = (
    Tenant
    | User
    | Token
    | Channel
    | Group
    | Multiplier
    | PriceBook
    | Mapping
    | Setting
    | CodeBatch
    | RoutingPolicy
    | Announcement
)

KINDS: dict[str, type[Entity]] = {
    "tenant": Tenant,
    "user": User,
    "token": Token,
    "channel": Channel,
    "group": Group,
    "multiplier": Multiplier,
    "rate_card": PriceBook,
    "mapping": Mapping,
    "setting": Setting,
    "code_batch": CodeBatch,
    "routing_policy": RoutingPolicy,
    "announcement": Announcement,
}
"""What each kind of thing is called in event types, paths and the audit trail."""

ARCHIVED_FOR_GOOD = ("token", "rate_card")
"""What never comes back into use: a revoked secret, and a price that others may have gone by."""

BULK_KINDS = ("token", "channel", "code_batch")
"""What people make and change many of at once."""
