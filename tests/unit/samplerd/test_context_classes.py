"""Requests of the wrong context class are counted, by the server's own count of tokens (I1)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from samplerd.context_classes import ContextClasses, parse_classes
from samplerd.program import Executables
from samplerd.settings import Settings

from tests.unit.samplerd.servers import checked, serving

CLASSES = {"context_classes": "standard=8,long=64", "context_class": "long"}


def test_classes_are_read() -> None:
    assert parse_classes("standard=200000, long=1000000") == {"standard": 200000, "long": 1000000}


@pytest.mark.parametrize("text", ["standard", "=3", "standard=", "standard=0", "standard=-3", "a=1,a=2", "a=1,b=1"])
def test_what_is_no_class_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"standard=200000|must differ"):
        parse_classes(text)


@pytest.mark.parametrize(
    "wrong", [{"context_classes": "a=1"}, {"context_class": "a"}, {**CLASSES, "context_class": "x"}]
)
def test_a_class_and_the_classes_belong_together(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="context_class"):
        Settings.model_validate(wrong)


@given(st.dictionaries(st.text("abc", min_size=1), st.integers(1, 50), min_size=1, max_size=5), st.integers(0, 60))
def test_the_class_is_the_smallest_that_holds_the_prompt(largest: dict[str, int], tokens: int) -> None:
    name = ContextClasses(largest, next(iter(largest))).intended(tokens)
    holding = [most for most in largest.values() if most >= tokens]
    assert largest[name] == (min(holding) if holding else max(largest.values()))


async def test_a_short_prompt_at_the_long_pool_is_misrouted(executables: Executables) -> None:
    async with serving(executables, **CLASSES) as server:
        assert await checked(server, "misrouted") == (0, 0)
        tokenizer = executables.model.tokenizer
        short, long = "ab", "ab cd ef gh ij kl"
        assert len(tokenizer.encode(short)) <= 8 < len(tokenizer.encode(long)) <= 64
        await server.complete(prompt=short, max_tokens=2)
        await server.complete(prompt=long, max_tokens=2)
        await server.complete(prompt=long, max_tokens=2)

        assert await checked(server, "misrouted") == (3, 1)
        name = "sampler_context_class_requests_total"
        assert await server.number(name, intended="standard", actual="long") == 1
        assert await server.number(name, intended="long", actual="long") == 2


async def test_a_server_without_classes_does_not_have_the_check(executables: Executables) -> None:
    async with serving(executables) as server:
        await server.complete(max_tokens=2)
        numbers = await server.scrape()
        assert not [labels for _, labels in numbers if ("check", "misrouted") in labels]
        assert not [name for name, _ in numbers if name == "sampler_context_class_requests_total"]
