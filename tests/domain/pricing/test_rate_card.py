from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from domain.ids import EntityId
from domain.pricing.rate_card import (
    CardPublishedError,
    InvalidPriceError,
    InvalidRateCardError,
    ModelPrice,
    PriceTier,
    RateCard,
    RateCards,
    UnpricedModelError,
)

CARD_ID = EntityId("01936f00-0000-7000-8000-000000000001")
TEXT = ModelPrice(input=Decimal("2.5"), output=Decimal(10))


def card(version: int, day: int, price: ModelPrice = TEXT, currency: str = "USD") -> RateCard:
    return RateCard(
        card_id=CARD_ID,
        version=version,
        currency=currency,
        source="typed in",
        effective_from=datetime(2026, 11, day, tzinfo=UTC),
        models={"model-a": price},
        aliases={"a-latest": "model-a"},
    )


def test_a_model_is_found_by_exact_name_then_by_alias() -> None:
    assert card(1, 1).find("model-a") is card(1, 1).find("a-latest") is TEXT
    assert card(1, 1).find("model") is None
    assert card(1, 1).find("MODEL-A") is None


def test_a_model_of_the_same_name_beats_an_alias() -> None:
    other = ModelPrice(input=Decimal(1))
    base = card(1, 1)

    shadowed = msgspec.structs.replace(base, models={**base.models, "a-latest": other})

    assert shadowed.find("a-latest") is other


def test_a_model_without_a_price_is_refused_by_name() -> None:
    with pytest.raises(UnpricedModelError, match="'model-b' has no price") as refusal:
        card(1, 1).price_of("model-b")

    assert refusal.value.code == "model_unpriced"
    assert refusal.value.model == "model-b"


def test_the_card_in_force_is_the_last_to_take_effect() -> None:
    cards = RateCards().publish(card(1, 1)).publish(card(3, 20)).publish(card(2, 10))

    def version_at(day: int, hour: int = 0) -> int | None:
        in_force = cards.at(datetime(2026, 11, day, hour, tzinfo=UTC))
        return in_force.version if in_force else None

    assert [version_at(1), version_at(9, 23), version_at(10), version_at(19), version_at(20)] == [
        1,
        1,
        2,
        2,
        3,
    ]
    assert cards.at(datetime(2026, 10, 31, tzinfo=UTC)) is None


def test_of_two_cards_for_the_same_moment_the_one_published_last_counts() -> None:
    cards = RateCards().publish(card(1, 1)).publish(card(2, 1))

    in_force = cards.at(datetime(2026, 11, 1, tzinfo=UTC))

    assert in_force is not None
    assert in_force.version == 2


def test_a_published_card_never_changes() -> None:
    cards = RateCards().publish(card(1, 1))

    with pytest.raises(CardPublishedError):
        cards.publish(card(1, 2, ModelPrice(input=Decimal(9))))

    assert cards.cards == (card(1, 1),)


def test_a_series_keeps_its_currency() -> None:
    with pytest.raises(InvalidRateCardError, match="USD, not in EUR"):
        RateCards().publish(card(1, 1)).publish(card(2, 2, currency="EUR"))


def test_an_alias_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(InvalidRateCardError, match="ghost"):
        msgspec.structs.replace(card(1, 1), aliases={"ghost": "model-z"})


def test_a_card_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InvalidRateCardError, match="time zone"):
        msgspec.structs.replace(card(1, 1), effective_from=datetime(2026, 11, 1))  # noqa: DTZ001 -- that is the point


@pytest.mark.parametrize("text", ["-0.01", "NaN", "Infinity", "-Infinity", "1000000000000", "0.0000000000000000001"])
@pytest.mark.parametrize("field", ["input", "reasoning", "per_call", "per_hour"])
def test_what_cannot_be_a_price_is_refused(field: str, text: str) -> None:
    with pytest.raises(InvalidPriceError, match=field):
        msgspec.convert({field: Decimal(text)}, ModelPrice)


def test_what_cannot_be_a_price_is_refused_in_tiers_and_variants_too() -> None:
    with pytest.raises(InvalidPriceError):
        PriceTier(input_tokens_from=1, output=Decimal(-1))
    with pytest.raises(InvalidPriceError):
        ModelPrice(per_image_by={"1024x1024": Decimal(-1)})


def test_a_price_on_the_wire_is_a_string_and_keeps_its_digits() -> None:
    price = ModelPrice(input=Decimal("0.10"), output=Decimal("0.40"), free=False)

    wire = msgspec.json.encode(price)

    assert wire == b'{"input":"0.10","output":"0.40"}'
    assert msgspec.json.decode(wire, type=ModelPrice) == price


def test_a_negative_price_on_the_wire_is_refused() -> None:
    with pytest.raises(InvalidPriceError):
        msgspec.json.decode(b'{"input":"-1"}', type=ModelPrice)


def test_a_card_survives_storage() -> None:
    tiered = ModelPrice(input=Decimal(1), tiers=(PriceTier(input_tokens_from=10, input=Decimal(2)),))
    stored = msgspec.json.encode(card(1, 1, tiered))

    assert msgspec.json.decode(stored, type=RateCard) == card(1, 1, tiered)


@pytest.mark.parametrize("starts", [(10, 10), (20, 10)])
def test_tiers_must_rise(starts: tuple[int, int]) -> None:
    with pytest.raises(InvalidRateCardError, match="rising"):
        ModelPrice(tiers=tuple(PriceTier(input_tokens_from=start) for start in starts))


def test_audio_is_priced_by_the_second_or_by_the_hour() -> None:
    with pytest.raises(InvalidRateCardError):
        ModelPrice(per_second=Decimal(1), per_hour=Decimal(1))


def test_working_out_the_rates_does_not_change_what_a_price_equals_or_stores() -> None:
    used, fresh = ModelPrice(input=Decimal(1)), ModelPrice(input=Decimal(1))

    assert used.rates.denominator == 1
    assert used.rates is used.rates
    assert used == fresh
    assert msgspec.json.encode(used) == msgspec.json.encode(fresh)
