"""Lists of models in the words of Anthropic's and Gemini's contracts."""

import pytest

from app.relay.errors import ApiError
from app.relay.model_lists import anthropic_list, gemini_list

NAMES = [f"m{number}" for number in range(5)]


def _created(_: str) -> int:
    return 86_400


def test_anthropics_pages_lead_through_all_models_once() -> None:
    seen: list[str] = []
    query = "limit=2"
    while True:
        page = anthropic_list(NAMES, _created, query)
        seen += [each["id"] for each in page["data"]]
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
        if not page["has_more"]:
            break
        query = f"limit=2&after_id={page['last_id']}"

    assert seen == NAMES
    assert page["data"][0]["created_at"] == "1970-01-02T00:00:00Z"


def test_anthropics_pages_go_back() -> None:
    page = anthropic_list(NAMES, _created, "limit=2&before_id=m3")
    assert ([each["id"] for each in page["data"]], page["has_more"]) == (["m1", "m2"], True)


def test_geminis_pages_lead_through_all_models_once() -> None:
    first = gemini_list(NAMES, "pageSize=3")
    second = gemini_list(NAMES, f"pageSize=3&pageToken={first['nextPageToken']}")

    assert [each["name"] for each in first["models"] + second["models"]] == [f"models/{name}" for name in NAMES]
    assert "nextPageToken" not in second


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "after_id=other", "before_id=other"])
def test_what_no_page_can_be_cut_by_is_refused_with_its_name(query: str) -> None:
    with pytest.raises(ApiError) as refused:
        anthropic_list(NAMES, _created, query)
    assert (refused.value.status, refused.value.param) == (400, query.partition("=")[0])


def test_without_models_the_lists_are_empty() -> None:
    assert anthropic_list([], _created, "")["data"] == []
    assert gemini_list([], "") == {"models": []}
