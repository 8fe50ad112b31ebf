from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from domain.ids import EntityId
from domain.pricing.lint import RateCardRefusedError, lint, refuse_errors
from domain.pricing.rate_card import ModelPrice, PriceTier, RateCard

GOOD = ModelPrice(input=Decimal("2.5"), cached_input=Decimal("1.25"), output=Decimal(10))


def card(**models: ModelPrice) -> RateCard:
    return RateCard(
        card_id=EntityId("01936f00-0000-7000-8000-000000000001"),
        version=1,
        currency="USD",
        source="typed in",
        effective_from=datetime(2026, 11, 1, tzinfo=UTC),
        models=models,
    )


def codes(price: ModelPrice, previous: ModelPrice | None = None) -> list[tuple[str, str]]:
    findings = lint(card(m=price), card(m=previous) if previous is not None else None)
    return sorted({(finding.severity, finding.code) for finding in findings})


def test_sound_prices_pass() -> None:
    assert codes(GOOD) == []
    assert codes(GOOD, GOOD) == []
    assert codes(ModelPrice(input=Decimal("0.02"))) == []
    assert codes(ModelPrice(input=Decimal(0), output=Decimal(0), free=True)) == []


def test_only_a_model_that_is_kept_for_hours_is_missed_a_price_for_them() -> None:
    minutes = ModelPrice(input=Decimal(3), cache_write=Decimal("3.75"), output=Decimal(15))
    hours = msgspec.structs.replace(minutes, cache_write_1h=Decimal(6))
    none = ModelPrice(input=Decimal(3), output=Decimal(15))

    found = lint(card(**{"aws/Claude-x": minutes, "claude-y": hours, "claude-z": none, "gpt-x": minutes}))

    assert [(each.severity, each.code, each.model) for each in found] == [
        ("warning", "cache_write_1h_missing", "aws/Claude-x")
    ]


def test_a_name_that_stands_for_a_model_has_no_price_of_its_own_and_does_not_get_lost() -> None:
    named = msgspec.structs.replace(card(m=GOOD, n=GOOD), aliases={"latest": "m"})
    shadowed = msgspec.structs.replace(named, aliases={"n": "m"})

    assert lint(named) == []
    assert [(each.severity, each.code, each.model) for each in lint(shadowed)] == [("error", "alias_shadowed", "n")]
    assert [(each.code, each.model) for each in lint(card(m=GOOD, n=GOOD), named)] == [("alias_removed", "latest")]
    # Whose model is gone is told with its model.
    assert [(each.code, each.model) for each in lint(card(n=GOOD), named)] == [("model_removed", "m")]


@pytest.mark.parametrize(
    ("price", "found"),
    [
        (
            ModelPrice(input=Decimal(1), cached_input=Decimal(2), output=Decimal(4)),
            ("error", "cached_dearer"),
        ),
        (ModelPrice(input=Decimal(4), output=Decimal(1)), ("warning", "output_cheaper")),
        (ModelPrice(input=Decimal(4), output=Decimal(0)), ("warning", "zero_output")),
        (ModelPrice(input=Decimal(0), output=Decimal(0)), ("error", "zero_not_marked_free")),
        (ModelPrice(), ("error", "zero_not_marked_free")),
        (ModelPrice(input=Decimal(1), output=Decimal(1), free=True), ("error", "free_with_price")),
        (ModelPrice(input=Decimal(100_001), output=Decimal(100_001)), ("error", "absurd_price")),
        (ModelPrice(input=Decimal("0.0000025"), output=Decimal("0.00001")), ("error", "absurd_price")),
        (ModelPrice(per_character=Decimal(15)), ("error", "absurd_price")),
        (ModelPrice(per_image_by={"1024x1024": Decimal(1001)}), ("error", "absurd_price")),
        (
            ModelPrice(input=Decimal(3), cache_write=Decimal(1), output=Decimal(9)),
            ("warning", "cache_write_cheaper"),
        ),
        (
            ModelPrice(input=Decimal(3), cache_write=Decimal(4), cache_write_1h=Decimal("3.9"), output=Decimal(9)),
            ("warning", "cache_write_1h_cheaper"),
        ),
        (
            ModelPrice(input=Decimal(3), cache_write=Decimal(4), cache_write_1h=Decimal("12.01"), output=Decimal(9)),
            ("warning", "cache_write_1h_dearer"),
        ),
        (ModelPrice(output=Decimal(9), cached_input=Decimal(1)), ("error", "class_without_parent")),
        (ModelPrice(output=Decimal(9), cache_write_1h=Decimal(1)), ("error", "class_without_parent")),
        (ModelPrice(input=Decimal(9), reasoning=Decimal(1)), ("error", "class_without_parent")),
        (ModelPrice(output=Decimal(9)), ("warning", "output_only")),
        (
            ModelPrice(input=Decimal(3), output=Decimal(9), tiers=(PriceTier(input_tokens_from=9, input=Decimal(2)),)),
            ("warning", "tier_cheaper"),
        ),
        (
            ModelPrice(
                input=Decimal(3),
                output=Decimal(9),
                tiers=(PriceTier(input_tokens_from=9, cached_input=Decimal(4)),),
            ),
            ("error", "cached_dearer"),
        ),
    ],
)
def test_what_looks_wrong_is_found(price: ModelPrice, found: tuple[str, str]) -> None:
    assert found in codes(price)


def test_a_negative_price_is_found_even_where_the_types_were_not_asked() -> None:
    price = ModelPrice(input=Decimal(1), output=Decimal(4))
    msgspec.structs.force_setattr(price, "input", Decimal(-1))

    assert ("error", "negative_price") in codes(price)


@pytest.mark.parametrize(
    ("factor", "found"),
    [
        ("1000", [("error", "price_jump")]),
        ("0.001", [("error", "price_jump")]),
        ("999", [("warning", "price_jump")]),
        ("10", [("warning", "price_jump")]),
        ("9.9", []),
        ("0.5", []),
    ],
)
def test_a_price_far_from_the_previous_card_is_found(factor: str, found: list[tuple[str, str]]) -> None:
    scaled = ModelPrice(
        input=Decimal("0.5") * Decimal(factor),
        cached_input=Decimal("0.25") * Decimal(factor),
        output=Decimal(2) * Decimal(factor),
    )

    assert codes(scaled, ModelPrice(input=Decimal("0.5"), cached_input=Decimal("0.25"), output=Decimal(2))) == found


def test_a_model_that_is_gone_is_mentioned() -> None:
    findings = lint(card(a=GOOD), card(a=GOOD, b=GOOD))

    assert [(finding.code, finding.model) for finding in findings] == [("model_removed", "b")]


def test_errors_refuse_a_card_unless_forced_and_warnings_do_not() -> None:
    findings = lint(card(**{f"m{number}": ModelPrice() for number in range(5)}))

    with pytest.raises(RateCardRefusedError, match=r"5 prices cannot be right.*and 2 more") as refusal:
        refuse_errors(findings)
    refuse_errors(findings, forced=True)
    refuse_errors(lint(card(m=ModelPrice(input=Decimal(4), output=Decimal(1)))))

    assert len(refusal.value.errors) == 5


def test_errors_come_first() -> None:
    findings = lint(card(a=ModelPrice(input=Decimal(4), output=Decimal(1)), b=ModelPrice()))

    assert [finding.severity for finding in findings] == ["error", "warning"]
