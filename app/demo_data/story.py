"""The part of the history that is the same for everybody: people, prices, channels, and what happened to them when.

All of it follows from the plan: every process that writes a part of the history makes the same story anew.
"""

import bisect
import datetime as dt
import hashlib
import random
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from adapters.channel_types import TYPES
from adapters.genai_prices import DEMO_MODELS, bundled_rate_card
from app.bootstrap import DEMO_CHANNEL
from app.demo_data.cast import COMPANIES, MIXES, OPERATORS, TAGS, TOKEN_NAMES, VENDORS, Company, Vendor
from app.demo_data.lane import LaneBook
from app.routing import platform
from app.routing.router import traits_of
from app.wallets import claim_command, claim_of
from domain.admin.changes import decide
from domain.admin.entities import (
    Announcement,
    Arm,
    Budget,
    Channel,
    CodeBatch,
    Group,
    Limits,
    Membership,
    Multiplier,
    PriceBook,
    RoutingPolicy,
    Tenant,
    TenantRole,
    Token,
    User,
)
from domain.admin.entities import (
    Mapping as ModelMapping,
)
from domain.admin.events import Changed, Created, LoggedIn
from domain.admin.rules import check_shape, home, tenant_id_from
from domain.events import admin_type_name, encode, type_name
from domain.ids import PLATFORM, EntityId, EventId, TenantId, first_lane
from domain.ledger.commands import Command, Kind
from domain.pricing.multipliers import MultiplierEntry, MultiplierMatrix
from domain.pricing.rate_card import ModelPrice, RateCard, RateCards, TokenPrices
from domain.routing.choice import Pools
from domain.routing.events import AlertRaised, AlertResolved, ChannelProbed, HealthChanged
from domain.routing.health import SOUND, Fault, Health, Sample, evolve, is_news
from domain.routing.policy import Policies

if TYPE_CHECKING:
    from domain.grants.events import CodeClaimed

SECOND: Final = 1_000_000
"""Times are microseconds since 1970."""
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

NODES: Final = ("app-1", "app-2")
_SALE: Final = EntityId("01900000-0000-7000-8000-00000000da7a")
"""The series of the cards that tenants pay by."""
_REASON: Final = "demo data"
_CODES: Final = 40
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: the same plan gives the same history, byte for byte."""

    until: dt.datetime
    """The first moment that is not in it; UTC."""
    days: int = 30
    tenants: int = 20
    requests: int = 2_000_000
    """Calls that clients make; a few of them are refused."""
    seed: int = 1

    @property
    def first(self) -> int:
        """When it begins."""
        return self.end - self.days * DAY

    @property
    def end(self) -> int:
        """When it ends."""
        return (self.until - _EPOCH) // dt.timedelta(microseconds=1)

    def at(self, part: float) -> int:
        """Give the moment at a part of the time: 0 is the beginning, 1 the end."""
        return self.first + int((self.end - self.first) * part)

    def chance(self, purpose: str) -> random.Random:
        """Give chance for one purpose, which draws for another do not move."""
        return random.Random(f"{self.seed}/{purpose}")  # noqa: S311 -- made-up data keeps no secret


class Ids:
    """UUIDv7s of moments, from chance that can be repeated."""

    def __init__(self, chance: random.Random) -> None:
        """Take the chance."""
        self._bits = chance.getrandbits

    def at(self, micros: int) -> str:
        """Give a new id of a moment."""
        high, low = self._bits(12), self._bits(62)
        text = f"{(micros // 1000) << 80 | 7 << 76 | high << 64 | 2 << 62 | low:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Member(NamedTuple):
    """A token that calls, and how much of its tenant's calls it makes."""

    token: Token
    created_at: int
    share: float


class Story(NamedTuple):
    """One tenant's part."""

    tenant: Tenant
    company: Company
    share: float
    joined: int
    users: tuple[User, ...]
    members: tuple[Member, ...]
    claim: "tuple[int, EventId, CodeClaimed] | None"


class Terms(NamedTuple):
    """The configuration between two changes of it."""

    since: int
    card: RateCard
    costs: Mapping[EntityId, RateCard]
    matrix: MultiplierMatrix
    multiplier_ids: Mapping[tuple[str, str], EntityId]
    policies: Policies
    pools: Pools


class Trouble(NamedTuple):
    """A time in which a channel fails."""

    vendor: str
    part: float
    fault: Fault
    minutes: int


_TROUBLES: Final = (
    Trouble("Bargain Reseller", 0.12, "timeout", 95),
    Trouble("DeepSeek", 0.27, "connect", 55),
    Trouble("Bargain Reseller", 0.41, "timeout", 45),
    Trouble("OpenAI, first account", 0.58, "server", 35),
    Trouble("Gemini", 0.66, "server", 25),
    Trouble("Bargain Reseller", 0.77, "server", 200),
    Trouble("Anthropic", 0.86, "timeout", 20),
)


class Spell(NamedTuple):
    """When calls to a channel fail although it is still chosen."""

    channel_id: EntityId
    fault: Fault
    begins: int
    out: int
    """From here on it is out of the choice."""
    ends: int


class World:
    """Everything that all lanes have in common, and the platform's own lane."""

    def __init__(self, plan: Plan) -> None:
        """Work it out; takes a second, for the prices of two thousand models are read."""
        self.plan = plan
        self.platform = LaneBook(PLATFORM, first_lane(PLATFORM))
        self.spells: list[Spell] = []
        self.user_groups: list[Group] = []
        self._ids = Ids(plan.chance("platform"))
        self._happenings: list[tuple[int, int, Command]] = []
        self._versions: dict[str, int] = {}
        self._news: list[tuple[int, EntityId, Health]] = []
        self._states: list[tuple[int, str, Any]] = []
        self._order = plan.first
        self.operators = self._people()
        self._admin = f"user:{self.operators[0].user_id}"
        self._groups()
        self.cards = self._prices()
        self.channels = self._channels()
        self._multipliers()
        stories = [self._tenant(number) for number in range(plan.tenants)]
        self.experiment = self._policies(stories)
        self._mapping_and_news()
        self.batch = self._batch()
        self.stories = [self._with_claim(story, number) for number, story in enumerate(stories)]
        self._health()
        self._logins()
        for at, _, command in sorted(self._happenings, key=lambda each: each[:2]):
            self.platform.must(command, at)
        self._terms = list(self._segments())
        self._since = [terms.since for terms in self._terms]
        self._news.sort(key=lambda each: each[0])
        self._health_since, self._healths = self._health_maps()

    def terms(self, at: int) -> Terms:
        """Give the configuration at a moment."""
        return self._terms[max(0, bisect.bisect_right(self._since, at) - 1)]

    def health(self, at: int) -> Mapping[EntityId, Health]:
        """Give what nodes think of the channels at a moment."""
        return self._healths[bisect.bisect_right(self._health_since, at)]

    def failing(self, channel_id: EntityId, at: int) -> Fault | None:
        """Give what is the matter with a channel that is called at a moment, None if nothing in particular is."""
        return next((s.fault for s in self.spells if s.channel_id == channel_id and s.begins <= at < s.ends), None)

    @cached_property
    def fault_rates(self) -> Mapping[EntityId, float]:
        """Give the part of each channel's calls that fail on ordinary days."""
        rates = {vendor.name: vendor.fault_rate for vendor in VENDORS}
        return {channel.channel_id: rates.get(channel.name, 0.0) for channel in self.channels}

    # Making things.

    def _next(self) -> int:
        """Give the next second of the first minutes, in which everything is set up."""
        self._order += SECOND
        return self._order

    def _put(self, at: int, command: Command) -> None:
        self._happenings.append((at, len(self._happenings), command))

    def _create(self, kind: str, entity: Any, at: int, *, actor: str | None = None, reason: str = _REASON) -> Any:
        check_shape(kind, entity)
        event: Created[Any] = Created(after=entity, reason=reason)
        command = admin_command(
            kind, event, None, entity, version=0, event_id=self._ids.at(at), actor=actor or self._admin
        )
        self._note(kind, entity, at)
        self._put(at, command)
        return entity

    def _change(self, kind: str, before: Any, after: Any, at: int, reason: str) -> Any:
        check_shape(kind, after)
        event: Changed[Any] = Changed(before=before, after=after, reason=reason)
        key = command_key(kind, before)
        command = admin_command(
            kind, event, before, after, version=self._versions[key], event_id=self._ids.at(at), actor=self._admin
        )
        self._note(kind, after, at)
        self._put(at, command)
        return after

    def _note(self, kind: str, entity: Any, at: int) -> None:
        key = command_key(kind, entity)
        self._versions[key] = self._versions.get(key, 0) + 1
        if kind in {"channel", "multiplier", "rate_card", "routing_policy"}:
            self._states.append((at, kind, entity))

    def _id(self, at: int) -> EntityId:
        return EntityId(self._ids.at(at))

    def _people(self) -> tuple[User, ...]:
        made = []
        for login, name, role in OPERATORS:
            at = self._next()
            user = User(user_id=self._id(at), login=login, name=name, platform_role=role)  # type: ignore[arg-type]
            made.append(self._create("user", user, at, actor="system:demo_data"))
        return tuple(made)

    def _groups(self) -> None:
        labels: dict[Literal["user", "channel"], tuple[tuple[str, str], ...]] = {
            "user": (("default", "Default"), ("pro", "Pro"), ("enterprise", "Enterprise"), ("trial", "Trial")),
            "channel": (
                ("default", "Default"),
                ("premium", "Premium"),
                ("economy", "Economy"),
                ("canary", "Canary"),
            ),
        }
        for side, groups in labels.items():
            for label, name in groups:
                at = self._next()
                allowance = 3 * 10**9 if label == "trial" else 0
                group = Group(
                    group_id=self._id(at),
                    side=side,
                    label=label,
                    name=name,
                    allowance_nanos=allowance,
                )
                self._create("group", group, at)
                if side == "user":
                    self.user_groups.append(group)

    def _prices(self) -> dict[str, EntityId]:
        """Publish what tenants pay, with a new card after a fifth of the time; and what each vendor charges."""
        at = self._next()
        card = bundled_rate_card(_moment(at), card_id=_SALE)
        book = PriceBook(card_id=_SALE, published=True, card=card)
        self._create("rate_card", book, at, reason="price list")
        later = self.plan.at(0.2)
        models = dict(card.models)
        models["gpt-5-mini"] = scaled(models["gpt-5-mini"], Decimal("0.9"))
        models["claude-sonnet-4-5"] = scaled(models["claude-sonnet-4-5"], Decimal("1.05"))
        models["deepseek-chat"] = scaled(models["deepseek-chat"], Decimal("0.8"))
        second = msgspec.structs.replace(
            card, version=2, models=models, source="price list, revised", effective_from=_moment(later)
        )
        draft = PriceBook(card_id=self._id(later - 2 * HOUR), card=second)
        self._create("rate_card", draft, later - 2 * HOUR, reason="vendors changed their prices")
        published = msgspec.structs.replace(draft, published=True)
        self._change("rate_card", draft, published, later - HOUR, "agreed with finance")
        # In force an hour after it was published.
        self._states.append((later, "rate_card", published))
        costs = {}
        for vendor in VENDORS:
            at = self._next()
            series = self._id(at)
            share = Decimal(vendor.cost)
            cost = RateCard(
                card_id=series,
                version=1,
                currency="USD",
                source=f"contract with {vendor.name}",
                effective_from=_moment(at),
                models={model: scaled(card.price_of(model), share) for model in vendor.models},
            )
            self._create("rate_card", PriceBook(card_id=series, published=True, use="cost", card=cost), at)
            costs[vendor.name] = series
        return costs

    def _channels(self) -> tuple[Channel, ...]:
        made = [self._create("channel", self._channel(vendor), self._order) for vendor in VENDORS]
        # Last of all one that answers without a key, so that every model can be tried on what was loaded.
        at = max(self._order + SECOND, self.plan.end - SECOND)
        served = dict.fromkeys(
            task.model for tasks in MIXES.values() for task in tasks if task.surface in {"chat", "embeddings"}
        )
        demo_chat, demo_embedding = DEMO_MODELS
        demo = Channel(
            channel_id=self._id(at),
            name=DEMO_CHANNEL,
            type="demo",
            models=(demo_chat, demo_embedding),
            model_map={model: demo_embedding if "embedding" in model else demo_chat for model in served},
            channel_groups=("default", "premium", "economy", "canary"),
            priority=100,
        )
        self._create("channel", demo, at, reason="answers for every vendor, so that calls can be tried without a key")
        return tuple(made)

    def _channel(self, vendor: Vendor) -> Channel:
        at = self._next()
        return Channel(
            channel_id=self._id(at),
            name=vendor.name,
            type=vendor.type,
            models=vendor.models,
            channel_groups=vendor.groups,
            weight=vendor.weight,
            priority=vendor.priority,
            cost_card_id=self.cards[vendor.name],
        )

    def _multipliers(self) -> None:
        cells = (
            ("all", "all", "1.25"),
            ("enterprise", "all", "1.1"),
            ("pro", "all", "1.2"),
            ("default", "economy", "1.05"),
            ("trial", "all", "0"),
        )
        for user_group, channel_group, value in cells:
            at = self._next()
            cell = Multiplier(
                multiplier_id=self._id(at), user_group=user_group, channel_group=channel_group, value=Decimal(value)
            )
            self._create("multiplier", cell, at)
            if user_group == "pro":
                lower = msgspec.structs.replace(cell, value=Decimal("1.15"))
                self._change("multiplier", cell, lower, self.plan.at(0.45), "summer campaign for Pro")

    def _policies(self, stories: list[Story]) -> tuple[TenantId, RoutingPolicy] | None:
        at = self._next()
        everybody = RoutingPolicy(
            policy_id=self._id(at), name="Everybody", channel_groups=("default", "economy"), mode="weighted"
        )
        self._create("routing_policy", everybody, at)
        for group in ("enterprise", "pro"):
            at = self._next()
            policy = RoutingPolicy(
                policy_id=self._id(at), name=f"{group.title()}: no resellers", user_group=group,
                channel_groups=("default", "premium"),
            )  # fmt: skip
            self._create("routing_policy", policy, at)
        tenant = next((story.tenant for story in stories if story.company.mix == "agents"), None)
        if tenant is None:
            return None
        begins, ends = self.plan.at(0.33), self.plan.at(0.6)
        canary = RoutingPolicy(
            policy_id=self._id(begins),
            name="Canary: a cheaper provider of gpt-5-mini",
            tenant_id=tenant.tenant_id,
            model="gpt-5-mini",
            channel_groups=("default", "canary"),
            arms=(
                Arm(name="control", share=70, channel_groups=("default",)),
                Arm(name="canary", share=30, channel_groups=("canary",)),
            ),
        )
        self._create("routing_policy", canary, begins, reason="is the new provider good enough?")
        over = msgspec.structs.replace(canary, enabled=False)
        self._change("routing_policy", canary, over, ends, "slower, and not cheap enough")
        return tenant.tenant_id, canary

    def _mapping_and_news(self) -> None:
        at = self._next()
        self._create("mapping", ModelMapping(mapping_id=self._id(at), model="best", target="gpt-5"), at)
        at = self.plan.at(0.19)
        news = Announcement(
            announcement_id=self._id(at),
            title="New prices",
            body="Prices of some models change tomorrow: **gpt-5-mini** and **deepseek-chat** become cheaper.",
            ends_at=_moment(at + 7 * DAY).isoformat(),
        )
        self._create("announcement", news, at)

    def _tenant(self, number: int) -> Story:
        company = COMPANIES[number % len(COMPANIES)]
        again = number // len(COMPANIES)
        chance = self.plan.chance(f"tenant {number}")
        joined = self._next() if company.joined == 0 else self.plan.at(company.joined) + number * SECOND
        tenant_id = tenant_id_from(self._ids.at(joined + number * 1000))
        trial = company.paying == "trial"
        tenant = Tenant(
            tenant_id=tenant_id,
            name=company.name if not again else f"{company.name} {again + 1}",
            user_group=company.user_group,
            time_zone=company.time_zone,
            disconnect="abort" if number % 3 == 1 else "drain",
            limits=Limits(requests_per_minute=60) if trial else Limits(),
        )
        users = tuple(
            self._create("user", self._user(tenant_id, name, index, number), joined + (index + 1) * SECOND)
            for index, name in enumerate(company.people)
        )
        members = tuple(self._members(tenant, users, joined, chance))
        return Story(tenant, company, company.share / (1 + 3 * again), joined, users, members, None)

    def _user(self, tenant_id: TenantId, name: str, index: int, number: int) -> User:
        roles: tuple[TenantRole, ...] = ("owner", "admin", "member", "billing")
        login = ".".join(name.casefold().split()) + (f".{number}" if number >= len(COMPANIES) else "")
        budgets = (Budget("money", "month", 20 * 10**12),) if index == 2 else ()  # noqa: PLR2004 -- the third of them
        return User(
            user_id=self._id(self._order),
            login=login,
            name=name,
            memberships=(Membership(tenant_id, roles[min(index, 3)], budgets),),
        )

    def _members(self, tenant: Tenant, users: tuple[User, ...], joined: int, chance: random.Random) -> Iterator[Member]:
        count = min(len(TOKEN_NAMES), 1 + len(users))
        for index in range(count):
            created = joined + (20 + index) * SECOND
            if index == count - 1 and index > 1:
                created = joined + int((self.plan.end - joined) * chance.uniform(0.2, 0.6))
            tags = TAGS[index % len(TAGS)]
            secret = hashlib.sha256(f"{self.plan.seed}/{tenant.tenant_id}/{index}".encode()).hexdigest()
            yield Member(
                Token(
                    token_id=self._id(created),
                    tenant_id=tenant.tenant_id,
                    user_id=users[index % len(users)].user_id,
                    name=TOKEN_NAMES[index],
                    # The hash of nothing that anybody has: no key of this history opens anything.
                    sha256=secret,
                    hint=f"sk-tg-...{secret[:4]}",
                    limits=Limits(requests_per_minute=600) if "staging" in tags else Limits(),
                    budgets=(Budget("money", "day", 15 * 10**9),) if "development" in tags else (),
                    tags=tags,
                    cache_seconds=3600 if "batch" in tags else 0,
                ),
                created,
                (6.0, 3.0, 1.0, 0.6, 0.8)[index],
            )

    def _batch(self) -> CodeBatch:
        at = self.plan.at(0.1)
        chance = self.plan.chance("codes")
        batch = CodeBatch(
            batch_id=self._id(at),
            name="Conference 2026",
            amount_nanos=10 * 10**9,
            priority=10,
            grant_days=30,
            hashes=tuple(f"{chance.getrandbits(256):064x}" for _ in range(_CODES)),
        )
        made: CodeBatch = self._create("code_batch", batch, at, reason="stand at the conference")
        return made

    def _with_claim(self, story: Story, number: int) -> Story:
        """Let every third tenant redeem a code some time after the batch was made."""
        if number % 3 or story.company.paying == "trial" or number >= _CODES:
            return story
        at = max(story.joined + HOUR, self.plan.at(0.12 + 0.02 * (number % 30)))
        if at >= self.plan.end - HOUR:
            return story
        claim_id = EventId(self._ids.at(at))
        claim = claim_of(
            self.batch,
            self.batch.hashes[number],
            tenant_id=story.tenant.tenant_id,
            claim_id=claim_id,
            user_id=story.users[0].user_id,
            now=_moment(at),
        )
        self._put(at, claim_command(claim, claim_id, self.batch, 1))
        return story._replace(claim=(at, claim_id, claim))

    def _health(self) -> None:
        by_name = {channel.name: channel.channel_id for channel in self.channels}
        versions: dict[str, int] = {}

        def write(at: int, event: msgspec.Struct, owner: str) -> None:
            versions[owner] = versions.get(owner, 0) + 1
            sent = platform.command(
                event, event_id=self._ids.at(at), actor="system:health", owner=owner, version=versions[owner]
            )
            self._put(at, sent)

        for trouble in _TROUBLES:
            begins = self.plan.at(trouble.part)
            ends = begins + trouble.minutes * MINUTE
            if ends > self.plan.end - HOUR:
                continue
            channel_id = by_name[trouble.vendor]

            def change(at: int, before: Health, sample: Sample, channel_id: EntityId = channel_id) -> Health:
                after = evolve(before, sample)
                if is_news(before, after, at // 1000):
                    event = HealthChanged(
                        channel_id=channel_id,
                        version=versions.get(f"health:{channel_id}:0", 0) + 1,
                        before=before,
                        after=after,
                        outcome=sample.class_,
                        is_probe=sample.is_probe,
                        node=NODES[0],
                    )
                    write(at, event, f"health:{channel_id}:0")
                    self._news.append((at, channel_id, after))
                return after

            health, at = SOUND, begins
            while health.percent:
                at += 11 * SECOND
                health = change(at, health, Sample(class_=trouble.fault, at_milliseconds=at // 1000))
            out = at
            alert = f"alert:channel_out:{channel_id}"
            title = f"The channel {trouble.vendor} is out of the choice: it fails."
            write(
                out + SECOND,
                AlertRaised(kind="channel_out", subject=channel_id, title=title, severity="warning", node=NODES[0]),
                alert,
            )
            for probe in range(out + 2 * MINUTE, ends, 10 * MINUTE):
                event = ChannelProbed(channel_id=channel_id, outcome=trouble.fault, code=trouble.fault, node=NODES[0])
                self._put(probe, platform.command(event, event_id=self._ids.at(probe), actor="system:probes"))
            at = ends
            while health is not SOUND and health != SOUND:
                at += 15 * SECOND
                health = change(at, health, Sample(class_="success", at_milliseconds=at // 1000, is_probe=True))
            title = f"The channel {trouble.vendor} works again."
            write(at + SECOND, AlertResolved(kind="channel_out", subject=channel_id, title=title, node=NODES[0]), alert)
            self.spells.append(Spell(channel_id, trouble.fault, begins, out, ends))

    def _logins(self) -> None:
        chance = self.plan.chance("logins")
        people = [(user.user_id, self.plan.first) for user in self.operators]
        people += [(user.user_id, story.joined) for story in self.stories for user in story.users[:2]]
        for day in range(self.plan.days):
            for user_id, since in people:
                at = self.plan.first + day * DAY + int(chance.uniform(6, 18) * HOUR)
                if chance.random() < 0.35 and since + HOUR < at < self.plan.end:  # noqa: PLR2004 -- twice or thrice a week
                    event = LoggedIn(user_id=user_id)
                    self._put(at, note(event, PLATFORM, event_id=self._ids.at(at), actor=f"user:{user_id}"))

    # Reading it back.

    def _segments(self) -> Iterator[Terms]:
        """Give the configuration from each of its changes on."""
        traits = traits_of(TYPES)
        current: dict[tuple[str, str], Any] = {}
        states = sorted(self._states, key=lambda each: each[0])
        for index, (at, kind, entity) in enumerate(states):
            current[kind, command_key(kind, entity)] = entity
            if index + 1 < len(states) and states[index + 1][0] <= at + 2 * SECOND:
                continue
            things = {name: [e for (k, _), e in current.items() if k == name] for name in ("channel", "multiplier")}
            books = [e for (k, _), e in current.items() if k == "rate_card" and e.published]
            sale = RateCards(tuple(b.card for b in books if b.use == "sale")).at(_moment(at))
            if sale is None:
                continue
            yield Terms(
                since=at,
                card=sale,
                costs={b.card.card_id: b.card for b in books if b.use == "cost"},
                matrix=MultiplierMatrix(
                    tuple(MultiplierEntry(m.user_group, m.channel_group, m.value) for m in things["multiplier"])
                ),
                multiplier_ids={(m.user_group, m.channel_group): m.multiplier_id for m in things["multiplier"]},
                policies=Policies(e for (k, _), e in current.items() if k == "routing_policy"),
                pools=Pools(things["channel"], traits),
            )

    def _health_maps(self) -> tuple[list[int], list[Mapping[EntityId, Health]]]:
        maps: list[Mapping[EntityId, Health]] = [{}]
        for _, channel_id, health in self._news:
            maps.append({**maps[-1], channel_id: health})
        return [at for at, _, _ in self._news], maps


def scaled(price: ModelPrice, by: Decimal) -> ModelPrice:
    """Give a price times a factor, exactly."""

    def values(of: TokenPrices, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: value * by for name in names if isinstance(value := getattr(of, name), Decimal)}

    tiers = tuple(msgspec.structs.replace(tier, **values(tier, tier.__struct_fields__)) for tier in price.tiers)
    return msgspec.structs.replace(price, **values(price, price.__struct_fields__), tiers=tiers)


def command_key(kind: str, entity: Any) -> str:
    """Give the id of a thing, which is its first field."""
    return f"{kind}:{getattr(entity, entity.__struct_fields__[0])}"


def admin_command(
    kind: str,
    event: "Created[Any] | Changed[Any]",
    before: Any,
    after: Any,
    *,
    version: int,
    event_id: str,
    actor: str,
) -> Command:
    """Give the command that the administration sends for a change."""
    change = decide(kind, before, after, version)
    tenant_id = home(kind, after)
    return Command(
        tenant_id=tenant_id,
        lane=first_lane(tenant_id),
        kind=Kind.POST,
        event_id=EventId(event_id),
        type=admin_type_name(kind, event),
        data=encode(event),
        actor=actor,
        correlation_id=event_id,
        causation_id=event_id,
        legs=change.legs,
        openings=change.openings,
    )


def note(event: msgspec.Struct, tenant_id: TenantId, *, event_id: str, actor: str) -> Command:
    """Give the command for an event that moves no account."""
    return Command(
        tenant_id=tenant_id,
        lane=first_lane(tenant_id),
        kind=Kind.POST,
        event_id=EventId(event_id),
        type=type_name(event),
        data=encode(event),
        actor=actor,
        correlation_id=event_id,
        causation_id=event_id,
    )


def _moment(micros: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=micros)
