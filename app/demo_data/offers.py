"""What tenants are sold, and at which prices: groups, rate cards, multipliers, codes to redeem."""

from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from adapters.genai_prices import bundled_rate_card
from app.demo_data.cast import VENDORS
from app.demo_data.clerk import Clerk
from app.demo_data.people import Story
from app.demo_data.plan import HOUR, moment
from app.wallets import claim_command, claim_of
from domain.admin.entities import CodeBatch, Group, Multiplier, PriceBook
from domain.ids import EntityId, EventId
from domain.pricing.rate_card import ModelPrice, RateCard, TokenPrices

_SALE: Final = EntityId("01900000-0000-7000-8000-00000000da7a")
"""The series of the cards that tenants pay by."""
_CODES: Final = 40


def groups(clerk: Clerk) -> tuple[Group, ...]:
    """Make the groups of tenants and of channels, and give the former."""
    made = []
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
            at = clerk.next_second()
            allowance = 3 * 10**9 if label == "trial" else 0
            group = Group(
                group_id=clerk.id_at(at),
                side=side,
                label=label,
                name=name,
                allowance_nanos=allowance,
            )
            clerk.create("group", group, at)
            if side == "user":
                made.append(group)
    return tuple(made)


def prices(clerk: Clerk) -> dict[str, EntityId]:
    """Publish what tenants pay, with a new card after a fifth of the time; and what each vendor charges."""
    at = clerk.next_second()
    card = bundled_rate_card(moment(at), card_id=_SALE)
    book = PriceBook(card_id=_SALE, published=True, card=card)
    clerk.create("rate_card", book, at, reason="price list")
    later = clerk.plan.at(0.2)
    models = dict(card.models)
    models["gpt-5-mini"] = scaled(models["gpt-5-mini"], Decimal("0.9"))
    models["claude-sonnet-4-5"] = scaled(models["claude-sonnet-4-5"], Decimal("1.05"))
    models["deepseek-chat"] = scaled(models["deepseek-chat"], Decimal("0.8"))
    second = msgspec.structs.replace(
        card, version=2, models=models, source="price list, revised", effective_from=moment(later)
    )
    draft = PriceBook(card_id=clerk.id_at(later - 2 * HOUR), card=second)
    clerk.create("rate_card", draft, later - 2 * HOUR, reason="vendors changed their prices")
    published = msgspec.structs.replace(draft, published=True)
    clerk.change("rate_card", draft, published, later - HOUR, "agreed with finance")
    # In force an hour after it was published.
    clerk.states.append((later, "rate_card", published))
    costs = {}
    for vendor in VENDORS:
        at = clerk.next_second()
        series = clerk.id_at(at)
        share = Decimal(vendor.cost)
        cost = RateCard(
            card_id=series,
            version=1,
            currency="USD",
            source=f"contract with {vendor.name}",
            effective_from=moment(at),
            models={model: scaled(card.price_of(model), share) for model in vendor.models},
        )
        clerk.create("rate_card", PriceBook(card_id=series, published=True, use="cost", card=cost), at)
        costs[vendor.name] = series
    return costs


def multipliers(clerk: Clerk) -> None:
    """Fill the matrix of multipliers, and lower one of them for a campaign."""
    cells = (
        ("all", "all", "1.25"),
        ("enterprise", "all", "1.1"),
        ("pro", "all", "1.2"),
        ("default", "economy", "1.05"),
        ("trial", "all", "0"),
    )
    for user_group, channel_group, value in cells:
        at = clerk.next_second()
        cell = Multiplier(
            multiplier_id=clerk.id_at(at), user_group=user_group, channel_group=channel_group, value=Decimal(value)
        )
        clerk.create("multiplier", cell, at)
        if user_group == "pro":
            lower = msgspec.structs.replace(cell, value=Decimal("1.15"))
            clerk.change("multiplier", cell, lower, clerk.plan.at(0.45), "summer campaign for Pro")


def code_batch(clerk: Clerk) -> CodeBatch:
    """Make the codes that were given away."""
    at = clerk.plan.at(0.1)
    chance = clerk.plan.chance("codes")
    batch = CodeBatch(
        batch_id=clerk.id_at(at),
        name="Conference 2026",
        amount_nanos=10 * 10**9,
        priority=10,
        grant_days=30,
        hashes=tuple(f"{chance.getrandbits(256):064x}" for _ in range(_CODES)),
    )
    made: CodeBatch = clerk.create("code_batch", batch, at, reason="stand at the conference")
    return made


def with_claim(clerk: Clerk, batch: CodeBatch, story: Story, number: int) -> Story:
    """Let every third tenant redeem a code some time after the batch was made."""
    if number % 3 or story.company.paying == "trial" or number >= _CODES:
        return story
    at = max(story.joined + HOUR, clerk.plan.at(0.12 + 0.02 * (number % 30)))
    if at >= clerk.plan.end - HOUR:
        return story
    claim_id = EventId(clerk.ids.at(at))
    claim = claim_of(
        batch,
        batch.hashes[number],
        tenant_id=story.tenant.tenant_id,
        claim_id=claim_id,
        user_id=story.users[0].user_id,
        now=moment(at),
    )
    clerk.put(at, claim_command(claim, claim_id, batch, 1))
    return story._replace(claim=(at, claim_id, claim))


def scaled(price: ModelPrice, by: Decimal) -> ModelPrice:
    """Give a price times a factor, exactly."""

    def values(of: TokenPrices, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: value * by for name in names if isinstance(value := getattr(of, name), Decimal)}

    tiers = tuple(msgspec.structs.replace(tier, **values(tier, tier.__struct_fields__)) for tier in price.tiers)
    return msgspec.structs.replace(price, **values(price, price.__struct_fields__), tiers=tiers)
