from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import metadata
from typing import Any

import genai_prices
import msgspec
import pytest
from genai_prices.data import providers
from genai_prices.types import (
    ClauseContains,
    ClauseEquals,
    ClauseOr,
    ConditionalPrice,
    ModelInfo,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.types import ModelPrice as GenaiPrice

from adapters import genai_prices as module
from adapters.genai_prices import DEMO_MODELS, bundled_rate_card, read_bundled
from domain.metering.usage import TokenUsage
from domain.pricing.charge import charge
from domain.pricing.lint import lint, refuse_errors
from domain.pricing.rate_card import ModelPrice, PriceTier, RateCard

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BUNDLED = read_bundled(NOON)
CARD = BUNDLED.card


def offer(prices: Any, name: str = "some-model", **fields: Any) -> ModelPrice | None:
    """Give what becomes of one made-up model of a made-up vendor."""
    info = ModelInfo(id=name, match=ClauseEquals(equals=name), prices=prices, **fields)
    made = module._offer("vendor", info, NOON, [])
    return made.price if made is not None else None


def mtok(**prices: str) -> GenaiPrice:
    return GenaiPrice(**{f"{name}_mtok": Decimal(price) for name, price in prices.items()})


def test_the_card_names_its_source_and_can_be_published_without_force() -> None:
    assert CARD.source == f"genai-prices {metadata.version('genai-prices')}"
    assert (CARD.currency, CARD.version, CARD.effective_from) == ("USD", 1, NOON)
    refuse_errors(lint(CARD))


def test_the_card_survives_storage_and_fits_an_event() -> None:
    stored = msgspec.json.encode(CARD)

    assert msgspec.json.decode(stored, type=RateCard) == CARD
    assert len(stored) < 1_000_000


def test_the_price_list_is_the_bundled_one_not_a_remnant() -> None:
    offered = sum(len(provider.models) for provider in providers)
    skipped = sum(note.kind == "skipped" for note in BUNDLED.notes)

    assert len(CARD.models) == offered - skipped + len(DEMO_MODELS)
    assert skipped < offered / 20


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o"])
def test_a_well_known_model_has_its_published_price_under_all_its_names(name: str) -> None:
    price = CARD.price_of(name)

    assert (price.input, price.cached_input, price.output) == (Decimal("2.5"), Decimal("1.25"), Decimal(10))
    assert price.context_tokens_max == 128_000


def test_every_price_is_a_decimal() -> None:
    stated = [value for price in CARD.models.values() for _, value in price.prices()]

    assert len(stated) > 4_000
    assert {type(value) for value in stated} == {Decimal}


@pytest.mark.parametrize(
    "name",
    [
        "openai/gpt-4o",
        "openai/gpt-4",
        "anthropic/claude-sonnet-4-5",
        "google/gemini-2.5-pro",
        "openai/text-embedding-3-small",
    ],
)
@pytest.mark.parametrize("input_tokens", [1, 1_000, 200_000, 200_001, 300_000])
def test_a_charge_agrees_with_the_package_that_the_prices_come_from(name: str, input_tokens: int) -> None:
    provider, _, model = name.partition("/")
    price = CARD.price_of(model)
    output = 777 if price.output is not None else 0
    theirs = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=input_tokens, output_tokens=output),
        model_ref=model,
        provider_id=provider,
        genai_request_timestamp=NOON,
    )

    ours = charge(TokenUsage(input_tokens=input_tokens, output_tokens=output), price)

    assert abs(Decimal(ours.amount_nanos) - theirs.total_price.scaleb(9)) <= Decimal("0.5")


def test_audio_speech_and_calls_are_priced_by_their_own_units() -> None:
    assert CARD.price_of("whisper-1").per_hour == Decimal("0.36")
    assert CARD.price_of("tts-1").per_character == Decimal("0.000015")
    assert CARD.price_of("sonar").per_call == Decimal("0.012")
    assert CARD.price_of("gpt-audio").audio_output == Decimal(64)


def test_a_name_that_several_offer_is_its_makers() -> None:
    assert CARD.aliases["anthropic/claude-sonnet-4-5"] == "claude-sonnet-4-5"
    assert "google/claude-sonnet-4-5" in CARD.models


def test_a_name_that_only_hosts_offer_is_the_dearest() -> None:
    cheap, dear = (
        module._Offer(host, "open-model", (), ModelPrice(input=Decimal(price))) for host, price in (("a", 1), ("b", 2))
    )

    names = module._names([cheap, dear])

    assert names["models"]["open-model"] is dear.price
    assert names["models"]["a/open-model"] is cheap.price
    assert names["aliases"] == {"b/open-model": "open-model"}


def test_a_qualified_name_is_the_vendors_before_it_is_a_hosts_name_for_the_model() -> None:
    maker = module._Offer("deepseek", "x", (), ModelPrice(input=Decimal(1)))
    host = module._Offer("host", "deepseek/x", (), ModelPrice(input=Decimal(9)))

    names = module._names([host, maker])

    assert names["aliases"]["deepseek/x"] == "x"
    assert names["models"]["x"] is maker.price
    assert names["models"]["host/deepseek/x"] is host.price


def test_names_that_match_by_pattern_are_nobodys() -> None:
    match = ClauseOr(or_=[ClauseEquals(equals="a"), ClauseContains(contains="b"), ClauseOr([ClauseEquals("c")])])

    assert list(module._equal_names(match)) == ["a", "c"]


def test_a_tier_above_a_number_of_tokens_begins_at_the_next() -> None:
    tiered = TieredPrices(base=Decimal(1), tiers=[Tier(start=100, price=Decimal(2)), Tier(start=200, price=Decimal(3))])
    flat_then_dear = TieredPrices(base=Decimal(5), tiers=[Tier(start=100, price=Decimal(6))])

    price = offer(GenaiPrice(input_mtok=tiered, output_mtok=flat_then_dear, cache_read_mtok=Decimal("0.5")))

    assert price == ModelPrice(
        input=Decimal(1),
        cached_input=Decimal("0.5"),
        output=Decimal(5),
        tiers=(
            PriceTier(input_tokens_from=101, input=Decimal(2), output=Decimal(6)),
            PriceTier(input_tokens_from=201, input=Decimal(3), output=Decimal(6)),
        ),
    )


@pytest.mark.parametrize(("days", "price"), [(-1, 1), (0, 2), (1, 3), (100, 3)])
def test_of_dated_prices_the_one_in_force_counts(days: int, price: int, monkeypatch: pytest.MonkeyPatch) -> None:
    today = NOON.date()
    dated = [
        ConditionalPrice(prices=mtok(input="1")),
        ConditionalPrice(StartDateConstraint(today), prices=mtok(input="2")),
        ConditionalPrice(StartDateConstraint(today + timedelta(days=1)), prices=mtok(input="3")),
    ]
    monkeypatch.setattr(f"{__name__}.NOON", NOON + timedelta(days=days))

    found = offer(dated)

    assert found is not None
    assert found.input == price


def test_of_prices_by_the_hour_the_dearest_counts_and_is_noted() -> None:
    morning, evening = (datetime(2026, 1, 1, hour, tzinfo=UTC).timetz() for hour in (1, 4))
    hourly = [
        ConditionalPrice(prices=mtok(input="1")),
        ConditionalPrice(TimeOfDateConstraint(morning, evening), prices=mtok(input="2")),
    ]
    info = ModelInfo(id="m", match=ClauseEquals(equals="m"), prices=hourly)
    notes: list[module.Note] = []

    made = module._offer("vendor", info, NOON, notes)

    assert made is not None
    assert made.price.input == 2
    assert [(note.kind, note.model) for note in notes] == [("approximated", "vendor/m")]


def test_only_what_is_named_free_is_free() -> None:
    assert offer(GenaiPrice(), name="model:free") == ModelPrice(free=True)
    assert offer(mtok(input="0"), name="model:free") == ModelPrice(input=Decimal(0), free=True)
    assert offer(mtok(input="1"), name="model:free") == ModelPrice(input=Decimal(1))
    assert offer(GenaiPrice(), name="model") is None
    assert offer(mtok(input="0", output="0"), name="model") is None


def test_a_thousand_searches_are_priced_one_by_one() -> None:
    assert offer(GenaiPrice(input_mtok=Decimal(1), web_searches_kcount=Decimal("2.5"))) == ModelPrice(
        input=Decimal(1), per_search=Decimal("0.0025")
    )
    assert CARD.price_of("claude-sonnet-4-5").per_search == Decimal("0.01")
    assert CARD.price_of("gemini-2.5-flash").per_search == Decimal("0.035")
    assert CARD.price_of("gemini-3.1-pro-preview").per_search == Decimal("0.014")
    assert CARD.price_of("sonar").per_call == Decimal("0.012")
    assert charge(TokenUsage(searches=3), CARD.price_of("gpt-5")).amount_nanos == 30_000_000


def test_a_cache_of_an_hour_has_its_own_price_in_each_tier() -> None:
    sonnet = CARD.price_of("claude-sonnet-4-5")
    assert (sonnet.cache_write, sonnet.cache_write_1h) == (Decimal("3.75"), Decimal(6))
    assert sonnet.token_price("cache_write_1h_tokens", sonnet.tiers[0]) == Decimal(12)
    kept = TokenUsage(cache_write_tokens=1_000, cache_write_1h_tokens=1_000)
    assert charge(kept, sonnet).amount_nanos == 3_750_000 + 6_000_000


def test_what_charges_by_other_units_is_skipped_and_what_merely_adds_some_is_noted() -> None:
    notes: list[module.Note] = []
    by_page = ModelInfo(id="ocr", match=ClauseEquals(equals="ocr"), prices=GenaiPrice(input_document_kpages=Decimal(1)))
    with_search = ModelInfo(
        id="s",
        match=ClauseEquals(equals="s"),
        prices=GenaiPrice(input_mtok=Decimal(1), storage_searches_kcount=Decimal(10)),
    )

    assert module._offer("v", by_page, NOON, notes) is None
    assert module._offer("v", with_search, NOON, notes) is not None
    assert [(note.kind, note.model) for note in notes] == [("skipped", "v/ocr"), ("approximated", "v/s")]


def test_what_the_lint_refuses_is_left_out_and_noted_with_its_aliases() -> None:
    bad = ModelPrice(input=Decimal(1), cached_input=Decimal(2))
    card = msgspec.structs.replace(CARD, models={**DEMO_MODELS, "bad": bad}, aliases={"worse": "bad"})

    sound = module._without_errors(card, [])

    assert sound.card.models == dict(DEMO_MODELS)
    assert sound.card.aliases == {}
    assert [note.model for note in sound.notes] == ["bad"]


def test_the_demo_models_have_a_price_that_no_vendor_overrides() -> None:
    assert CARD.models["demo-chat"] == DEMO_MODELS["demo-chat"]
    assert CARD.price_of("demo-embedding").input == Decimal("0.02")
    usage = TokenUsage(input_tokens=1_000, cached_input_tokens=1_000, output_tokens=500, reasoning_tokens=500)
    assert charge(usage, CARD.price_of("demo-chat")).amount_nanos == 150_000 + 75_000 + 600_000


def test_the_card_is_dated_now_by_default() -> None:
    before = datetime.now(UTC)

    assert before <= bundled_rate_card().effective_from <= datetime.now(UTC)
