"""A NaN in a slot of the key/value cache ends with its request: the next prompt there gets a clean slot's tokens.

Masked positions count 0 x NaN in an attention, which is NaN: what one request left behind would spoil another's.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import pytest
from samplerd.engine import Engine
from samplerd.generation import INVALID_LOGITS, Ask, Event, Failed, Finished, Generation
from samplerd.model import Model
from samplerd.program import Executables, production_program

from tests.unit.samplerd import small_decoder

CONTEXT = 48
POISONED = (0, 7, CONTEXT - 1)
"""A position that the next prompt overwrites, one that it may reach, and one that it never does."""


@pytest.fixture(scope="module")
def model() -> Model:
    return small_decoder.model(CONTEXT)


@pytest.fixture(scope="module")
def executables(model: Model) -> Iterator[Executables]:
    """One at a time may use them; every test leaves clean slots behind."""
    made = Executables(model, production_program(model), batch_sizes=(1, 2), chunk_sizes=(16,))
    yield made
    for slot in (0, 1):
        made.forget(slot)


def poison(executables: Executables, slot: int, position: int) -> None:
    """NaN in all keys and values at one position of one slot."""
    executables._cache = jax.tree.map(lambda array: array.at[slot, :, position].set(jnp.nan), executables._cache)


def ask(executables: Executables, text: str, seed: int, count: int = 6) -> tuple[Generation, list[Event]]:
    events: list[Event] = []
    tokenizer = executables.model.tokenizer
    asked = Ask(prompt=tuple(tokenizer.encode(text)), max_tokens=count, seed=seed, temperature=0.8)
    return Generation(asked, tokenizer, events.append), events


def run(engine: Engine) -> None:
    while engine.running or engine.waiting:
        engine._turn()


def answer(executables: Executables, text: str, seed: int) -> list[int]:
    """What a request gets in slot 0 as it is."""
    engine = Engine(executables, queue_size=2)
    generation, events = ask(executables, text, seed)
    engine.submit(generation)
    run(engine)
    assert isinstance(events[-1], Finished), events[-1]
    return generation.tokens


PROMPTS = ["a", " river", " the small house by the river", "a longer prompt, which is read in more than one chunk"]


@pytest.mark.parametrize("position", POISONED)
def test_what_made_a_request_fail_reaches_no_other(executables: Executables, position: int) -> None:
    executables.forget(0)
    clean = [answer(executables, prompt, seed) for seed, prompt in enumerate(PROMPTS)]
    for seed, prompt in enumerate(PROMPTS):
        engine = Engine(executables, queue_size=2)
        spoiled, events = ask(executables, " stone", 99)
        engine.submit(spoiled)
        engine._turn()
        poison(executables, 0, position)
        run(engine)
        assert events[-1] == Failed(INVALID_LOGITS), "masked or not, it is a NaN in every logit"
        assert answer(executables, prompt, seed) == clean[seed]


def test_the_neighbours_of_a_poisoned_slot_are_as_ever(executables: Executables) -> None:
    right = answer(executables, " the green garden", 5)
    engine = Engine(executables, queue_size=2)
    spoiled, heard = ask(executables, " stone", 99)
    beside, events = ask(executables, " the green garden", 5)
    engine.submit(spoiled, beside)
    engine._turn()
    poison(executables, 0, 3)
    run(engine)
    assert heard[-1] == Failed(INVALID_LOGITS)
    assert isinstance(events[-1], Finished)
    assert beside.tokens == right


def test_what_a_request_read_and_nobody_saw_is_forgotten_too(executables: Executables) -> None:
    """Its client goes while its prompt is read: no step of its own has told whether there is a NaN in the slot."""
    right = answer(executables, " river", 1)
    engine = Engine(executables, queue_size=2)
    gone, _ = ask(executables, " river stone light" * 8, 2)
    engine.submit(gone)
    engine._turn()
    assert gone.tokens == [], "the prompt takes more than one chunk"
    poison(executables, 0, 20)
    gone.cancel()
    generation, events = ask(executables, " river", 1)
    engine.submit(generation)
    run(engine)
    assert isinstance(events[-1], Finished), events[-1]
    assert generation.tokens == right


def test_only_forgetting_keeps_them_apart(executables: Executables, monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests can fail: a slot that is not forgotten fails the next request too."""
    with monkeypatch.context() as patched:
        patched.setattr(Executables, "forget", lambda _self, _slot: None)
        poison(executables, 0, CONTEXT - 1)
        with pytest.raises(AssertionError, match="not numbers"):
            answer(executables, " river", 1)
    executables.forget(0)
    answer(executables, " river", 1)
