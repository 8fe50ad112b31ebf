"""Tools that a vendor runs itself and bills by the use: which ones a request asks for, and how often they may run.

A search is counted (`searches` of a usage) and has a price of its own. Of the other tools no vendor reports how often
they ran, so nobody could be charged for them. The rule for both is `refuse_unpaid`: what would cost the operator what
no tenant is charged is refused, unless the channel allows it. Tools that cost tokens only, such as fetching a page, and
tools that the client runs are nobody's concern here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

import msgspec

from domain.pricing.rate_card import ModelPrice
from domain.relay.dialect import UnsupportedParameterError

Searches = Literal["", "reported", "asked", "included"]
"""What is known of a vendor's searches: nothing; how many were made, from its report; the same, and that an answer of
a model made for searching is one; or that they are in the price of the call."""

SEARCHES_MAX: Final = 10
"""The searches that are held for where a request does not say how many there may be."""
SOURCES_MAX: Final = 20
"""The sources that xAI reads where a request does not say."""
SEARCH_TOKENS: Final = 8_000
"""What a search by a tool is reckoned to bring into the prompt: the block that OpenAI bills for one, where it bills a
fixed one. What Google finds is not billed as text."""
OPTION: Final = "unpriced_tools"
"""The field of a channel that allows what nobody is charged for."""

_BOUND_MAX: Final = 10_000
_SEARCH: Final = re.compile(r"(web_search|google_?search|enterprise_?web_?search)", re.IGNORECASE)
_UNMETERED: Final = re.compile(
    r"(file_search|code_interpreter|code_execution|image_generation|x_search|collections_search|google_?maps"
    r"|\$web_search)",
    re.IGNORECASE,
)
_SWITCHES: Final = (
    "enable_search",
    "enable_enhancement",
    "force_search_enhancement",
    "with_search_enhance",
    "EnableEnhancement",
    "ForceSearchEnhancement",
)
"""Parameters by which Chinese vendors are told to search, in OpenAI's contract and in their own."""
_FINDERS: Final = ("search-preview", "search-api")
"""In the names of models that search once for every answer."""
_RESEARCHERS: Final = ("sonar", "deep-research")
"""In the names of models that search by themselves, as often as they like."""
_ONLINE: Final = ":online"
"""At the end of the name of a model that OpenRouter has search."""
_BY_NAME: Final = (*_FINDERS, *_RESEARCHERS, _ONLINE)


class Hosted(NamedTuple):
    """What a request asks of its vendor's own tools."""

    searches: int = 0
    """The most searches that are held for."""
    tokens: int = 0
    """The tokens that they are reckoned to bring into the prompt."""
    searching: tuple[str, str] | None = None
    """By what it asks for searches: the parameter, and the name."""
    is_each: bool = False
    """Whether every answer is one search."""
    unmetered: tuple[str, str] | None = None
    """The first tool whose use is billed and not reported, likewise."""


NOTHING: Final = Hosted()


class _Body(msgspec.Struct, gc=False):
    """What of a request tells; the rest is passed over, which is faster than to look for the words in the bytes."""

    model: Any = None
    tools: Any = None
    plugins: Any = None
    max_tool_calls: Any = None
    web_search: Any = None
    web_search_options: Any = None
    search_parameters: Any = None
    enable_search: Any = None
    enable_enhancement: Any = None
    force_search_enhancement: Any = None
    with_search_enhance: Any = None
    EnableEnhancement: Any = None
    ForceSearchEnhancement: Any = None
    parameters: Any = None
    """DashScope's own contract has the switch in here."""


_decode: Final = msgspec.json.Decoder(_Body).decode
_told: Final = attrgetter(*(name for name in _Body.__struct_fields__ if name != "model"))
_IDLE: Final = (None,) * (len(_Body.__struct_fields__) - 1)


def hosted_tools(body: bytes, *, model: str = "") -> Hosted:
    """Read a request of any contract, as a client or a dialect wrote it; what is no JSON object asks for nothing."""
    try:
        asked = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return NOTHING
    name = (model or (asked.model if isinstance(asked.model, str) else "")).lower()
    if _told(asked) == _IDLE and not any(part in name for part in _BY_NAME):
        return NOTHING
    named = list(_named(asked, name))
    searching = next((each for each in named if _SEARCH.match(each[1])), None)
    unmetered = next((each for each in named if _UNMETERED.match(each[1])), None)
    if asked.web_search_options is not None:
        return Hosted(1, 0, ("web_search_options", "web_search_options"), is_each=True, unmetered=unmetered)
    if any(part in name for part in _FINDERS):
        return Hosted(1, 0, ("model", name), is_each=True, unmetered=unmetered)
    if searching is None and any(part in name for part in _RESEARCHERS):
        return Hosted(SEARCHES_MAX, unmetered=unmetered)
    searches = _bound(asked) if searching is not None else 0
    reads = searching is not None and searching[0] == "tools" and searching[1].startswith("web_search")
    return Hosted(searches, searches * SEARCH_TOKENS if reads else 0, searching, unmetered=unmetered)


def refuse_unpaid(asked: Hosted, price: ModelPrice, *, searches: Searches, options: Mapping[str, str]) -> None:
    """Refuse what the vendor bills by the use and nobody would be charged for; UnsupportedParameterError."""
    if options.get(OPTION) == "true":
        return
    if asked.unmetered is not None:
        raise _unpaid(*asked.unmetered)
    if asked.searching is None or searches == "included":
        return
    # Where each answer is one search, a price by the call pays for it as well.
    is_priced = price.per_search is not None or (asked.is_each and price.per_call is not None)
    if not searches or not is_priced:
        raise _unpaid(*asked.searching)


def _unpaid(param: str, name: str) -> UnsupportedParameterError:
    return UnsupportedParameterError(
        param,
        f"The vendor bills each use of '{name}', and this model has no price for it here: leave it out,"
        " or ask the operator for a price.",
    )


def _named(asked: _Body, model: str) -> Iterator[tuple[str, str]]:
    """Give everything that may be a tool of the vendor's: the parameter, and the name."""
    for tool in _dicts(asked.tools):
        yield from (("tools", name) for name in _kinds(tool))
    if any(plugin.get("id") == "web" and plugin.get("enabled") is not False for plugin in _dicts(asked.plugins)):
        yield "plugins", "web_search"
    if model.endswith(_ONLINE):
        yield "model", "web_search"
    if isinstance(asked.search_parameters, dict) and asked.search_parameters.get("mode") != "off":
        yield "search_parameters", "web_search"
    if isinstance(asked.web_search, dict) and asked.web_search.get("enable") is True:
        yield "web_search", "$web_search"
    nested = asked.parameters if isinstance(asked.parameters, dict) else {}
    for switch in _SWITCHES:
        if getattr(asked, switch) is True or nested.get(switch) is True:
            yield switch, "$web_search"


def _kinds(tool: Mapping[str, Any]) -> Iterable[str]:
    kind = tool.get("type")
    match kind:
        case "function" | "custom":
            return ()
        case "builtin_function":  # Moonshot's
            function = tool.get("function")
            name = function.get("name") if isinstance(function, dict) else None
            return (name,) if isinstance(name, str) else ()
        case "shell" if _runs_at_vendor(tool):
            return ("code_interpreter",)
        case str():
            # Zhipu's tool is there to be turned off, too.
            own = tool.get(kind)
            return () if isinstance(own, dict) and own.get("enable") is False else (kind,)
        case _:
            # Gemini's tools are named by their member; running code costs tokens only there.
            return (name for name in tool if name != "code_execution")


def _runs_at_vendor(tool: Mapping[str, Any]) -> bool:
    environment = tool.get("environment")
    kind = environment.get("type") if isinstance(environment, dict) else None
    return isinstance(kind, str) and kind.startswith("container")


def _bound(asked: _Body) -> int:
    """Give how many searches a request allows: what it says, else the usual bound."""
    said = [tool.get("max_uses") for tool in _dicts(asked.tools)]
    said += [plugin.get("max_results") for plugin in _dicts(asked.plugins)]
    said.append(asked.max_tool_calls)
    if isinstance(asked.search_parameters, dict):
        said.append(asked.search_parameters.get("max_search_results", SOURCES_MAX))
    counts = [min(each, _BOUND_MAX) for each in said if type(each) is int and each >= 0]
    return sum(counts) if counts else SEARCHES_MAX


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())
