"""`python -m seeded_builds.show`: the wrong tokens of each fault beside the right ones, without any counter.

The same prompts and seeds go through the production program and through each fault's, at batch sizes 1 and 4.
"""

import queue
from collections.abc import Sequence

import typer
from samplerd.engine import Engine
from samplerd.generation import Ask, Event, Generation, Piece
from samplerd.jax_setup import configure_jax
from samplerd.model import Model
from samplerd.models import load_model
from samplerd.program import Executables, ProgramFor, production_program
from samplerd.settings import Settings

from seeded_builds.faults import FAULTS

PROMPTS = (
    "What is the capital of France?",
    "Tell me about rivers.",
    "Why is the sky blue?",
    "Who was Isaac Newton?",
)
_TOKENS = 12


def answers(model: Model, program_for: ProgramFor, *, batch_size: int, rounds: int = 1) -> list[list[int]]:
    """The tokens of `rounds` answers to each prompt, seeds 0, 1, 2, ..., `batch_size` at a time."""
    executables = Executables(model, program_for(model), batch_sizes=(batch_size,), chunk_sizes=(64,))
    engine = Engine(executables, queue_size=10_000)
    asks = [_ask(model, prompt, seed) for seed, prompt in enumerate(PROMPTS * rounds)]
    events: queue.Queue[Event] = queue.Queue()
    generations = [Generation(ask, model.tokenizer, events.put) for ask in asks]
    for generation in generations:
        engine.submit(generation)
    engine.start()
    ended = 0
    while ended < len(asks):
        ended += not isinstance(events.get(), Piece)
    engine.stop()
    return [generation.tokens for generation in generations]


def _ask(model: Model, prompt: str, seed: int) -> Ask:
    tokens = model.tokenizer.encode_chat([("user", prompt)])
    return Ask(prompt=tuple(tokens), max_tokens=_TOKENS, seed=seed, temperature=0.7)


def text(model: Model, tokens: Sequence[int]) -> str:
    """The tokens as text; parts of characters show as U+FFFD."""
    return b"".join(map(model.tokenizer.token_bytes, tokens)).decode(errors="replace")


def first_difference(right: Sequence[int], wrong: Sequence[int]) -> int | None:
    """Where two answers part."""
    pairs = zip(right, wrong, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), None)


def show(model_name: str = "smollm2-135m", rounds: int = 1) -> None:
    """Print the answers of every fault beside the right ones."""
    configure_jax()
    model = load_model(Settings.model_validate({"model": model_name, "context": 256}))
    for batch_size in (1, 4):
        right = answers(model, production_program, batch_size=batch_size, rounds=rounds)
        for name, program_for in FAULTS.items():
            wrong = answers(model, program_for, batch_size=batch_size, rounds=rounds)
            _print(model, f"{name}, batch size {batch_size}", right, wrong)


def _print(model: Model, title: str, right: list[list[int]], wrong: list[list[int]]) -> None:
    places = [first_difference(*pair) for pair in zip(right, wrong, strict=True)]
    parted = sum(place is not None for place in places)
    typer.echo(f"\n== {title}: {parted} of {len(right)} answers differ")
    for prompt, one, other, place in zip(PROMPTS, right, wrong, places, strict=False):
        where = "same" if place is None else f"token {place}: {one[place]} became {other[place]}"
        typer.echo(f"{prompt}  ({where})\n  right: {text(model, one)!r}\n  fault: {text(model, other)!r}")


if __name__ == "__main__":
    typer.run(show)
