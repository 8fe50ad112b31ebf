"""Prices, usages and multipliers for property tests, zeros and tiers included."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from domain.metering.usage import INPUT_CLASSES, OUTPUT_CLASSES, TokenUsage
from domain.pricing.rate_card import ModelPrice, PriceTier
from domain.pricing.rates import PRICE_FIELD

decimals = st.integers(0, 10**9).map(lambda digits: Decimal(digits).scaleb(-6))
multipliers = st.integers(0, 5_000_000).map(lambda digits: Decimal(digits).scaleb(-6))
maybe = st.none() | decimals


@st.composite
def tiers(draw: st.DrawFn) -> tuple[PriceTier, ...]:
    starts = sorted(draw(st.sets(st.integers(1, 3000), max_size=3)))
    return tuple(
        PriceTier(input_tokens_from=start, **{field: draw(maybe) for field in PRICE_FIELD.values()}) for start in starts
    )


@st.composite
def prices(draw: st.DrawFn) -> ModelPrice:
    fields: dict[str, Any] = {field: draw(maybe) for field in PRICE_FIELD.values()}
    fields[draw(st.sampled_from(["per_second", "per_hour"]))] = draw(maybe)
    return ModelPrice(
        **fields,
        per_call=draw(maybe),
        per_character=draw(maybe),
        per_search=draw(maybe),
        per_image=draw(maybe),
        per_image_by=draw(st.dictionaries(st.sampled_from(["s", "s/hd", "m"]), decimals, max_size=3)),
        tiers=draw(tiers()),
    )


def split(draw: st.DrawFn, total: int, parts: int) -> list[int]:
    cuts = sorted(draw(st.lists(st.integers(0, total), min_size=parts - 1, max_size=parts - 1)))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]


@st.composite
def usages(draw: st.DrawFn, input_max: int = 4000, output_max: int = 4000) -> TokenUsage:
    inputs = split(draw, draw(st.integers(0, input_max)), len(INPUT_CLASSES))
    outputs = split(draw, draw(st.integers(0, output_max)), len(OUTPUT_CLASSES))
    return TokenUsage(
        **dict(zip((*INPUT_CLASSES, *OUTPUT_CLASSES), (*inputs, *outputs), strict=True)),
        calls=draw(st.integers(0, 3)),
        images=draw(st.integers(0, 10)),
        image_variant=draw(st.sampled_from(["", "s", "s/hd", "s/low", "m", "other"])),
        milliseconds=draw(st.integers(0, 10**7)),
        characters=draw(st.integers(0, 10**5)),
        searches=draw(st.integers(0, 50)),
    )
