"""Where answers come from: a channel for each vendor, who is served by which, and what was announced."""

from collections.abc import Mapping, Sequence

import msgspec

from adapters.genai_prices import DEMO_MODELS
from app.bootstrap import DEMO_CHANNEL
from app.demo_data.cast import MIXES, VENDORS, Vendor
from app.demo_data.clerk import Clerk
from app.demo_data.people import Story
from app.demo_data.plan import DAY, SECOND, moment
from domain.admin.entities import Announcement, Arm, Channel, RoutingPolicy
from domain.admin.entities import Mapping as ModelMapping
from domain.ids import EntityId


def channels(clerk: Clerk, cards: Mapping[str, EntityId]) -> tuple[Channel, ...]:
    """Make a channel for each vendor, and give them."""
    made = [clerk.create("channel", _channel(clerk, vendor, cards), clerk.order) for vendor in VENDORS]
    # Last of all one that answers without a key, so that every model can be tried on what was loaded.
    at = max(clerk.order + SECOND, clerk.plan.end - SECOND)
    served = dict.fromkeys(
        task.model for tasks in MIXES.values() for task in tasks if task.surface in {"chat", "embeddings"}
    )
    demo_chat, demo_embedding = DEMO_MODELS
    demo = Channel(
        channel_id=clerk.id_at(at),
        name=DEMO_CHANNEL,
        type="demo",
        models=(demo_chat, demo_embedding),
        model_map={model: demo_embedding if "embedding" in model else demo_chat for model in served},
        channel_groups=("default", "premium", "economy", "canary"),
        priority=100,
    )
    clerk.create("channel", demo, at, reason="answers for every vendor, so that calls can be tried without a key")
    return tuple(made)


def _channel(clerk: Clerk, vendor: Vendor, cards: Mapping[str, EntityId]) -> Channel:
    at = clerk.next_second()
    return Channel(
        channel_id=clerk.id_at(at),
        name=vendor.name,
        type=vendor.type,
        models=vendor.models,
        channel_groups=vendor.groups,
        weight=vendor.weight,
        priority=vendor.priority,
        cost_card_id=cards[vendor.name],
    )


def policies(clerk: Clerk, stories: Sequence[Story]) -> None:
    """Say who is served by which channels, and let one tenant be part of an experiment for a while."""
    at = clerk.next_second()
    everybody = RoutingPolicy(
        policy_id=clerk.id_at(at), name="Everybody", channel_groups=("default", "economy"), mode="weighted"
    )
    clerk.create("routing_policy", everybody, at)
    for group in ("enterprise", "pro"):
        at = clerk.next_second()
        policy = RoutingPolicy(
            policy_id=clerk.id_at(at), name=f"{group.title()}: no resellers", user_group=group,
            channel_groups=("default", "premium"),
        )  # fmt: skip
        clerk.create("routing_policy", policy, at)
    tenant = next((story.tenant for story in stories if story.company.mix == "agents"), None)
    if tenant is None:
        return
    begins, ends = clerk.plan.at(0.33), clerk.plan.at(0.6)
    canary = RoutingPolicy(
        policy_id=clerk.id_at(begins),
        name="Canary: a cheaper provider of gpt-5-mini",
        tenant_id=tenant.tenant_id,
        model="gpt-5-mini",
        channel_groups=("default", "canary"),
        arms=(
            Arm(name="control", share=70, channel_groups=("default",)),
            Arm(name="canary", share=30, channel_groups=("canary",)),
        ),
    )
    clerk.create("routing_policy", canary, begins, reason="is the new provider good enough?")
    over = msgspec.structs.replace(canary, enabled=False)
    clerk.change("routing_policy", canary, over, ends, "slower, and not cheap enough")


def mapping_and_news(clerk: Clerk) -> None:
    """Give a model a second name, and announce new prices."""
    at = clerk.next_second()
    clerk.create("mapping", ModelMapping(mapping_id=clerk.id_at(at), model="best", target="gpt-5"), at)
    at = clerk.plan.at(0.19)
    news = Announcement(
        announcement_id=clerk.id_at(at),
        title="New prices",
        body="Prices of some models change tomorrow: **gpt-5-mini** and **deepseek-chat** become cheaper.",
        ends_at=moment(at + 7 * DAY).isoformat(),
    )
    clerk.create("announcement", news, at)
