"""`python -m seeded_builds.show`: the wrong tokens of each fault beside the right ones, without any counter.

The same prompts and seeds go through the production program and through each fault's, at batch sizes 1 and 4.
"""

import queue
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from samplerd.engine import Engine
from samplerd.generation import Ask, Event, Generation, Piece
from samplerd.jax_setup import configure_jax
from samplerd.model import Model
from samplerd.models import load_model
from samplerd.program import Executables, ProgramFor, Step
from samplerd.settings import Settings

from seeded_builds.faults import FAULTS, right_for

PROMPTS = (
    "What is the capital of France?",
    "Tell me about rivers.",
    "Why is the sky blue?",
    "Who was Isaac Newton?",
)
_TOKENS = 12
_TEMPERATURE = 0.7
_BATCH_SIZES = (1, 4)

Answers = list[list[int]]
"""The tokens of each answer."""


class _Drawn:
    """Notes the tokens as the steps give them: one that does not exist fails its answer and is in none."""

    def __init__(self) -> None:
        self._tokens: dict[int, list[int]] = {}

    def after_step(self, step: Step, running: Mapping[int, Generation]) -> None:
        for row, generation in running.items():
            self._tokens.setdefault(id(generation), []).append(int(step.token[row]))

    def tokens(self, generation: Generation) -> list[int]:
        return self._tokens.get(id(generation), [])


def answers(model: Model, program_for: ProgramFor, *, batch_size: int, rounds: int = 1) -> Answers:
    """The tokens of `rounds` answers to each prompt, seeds 0, 1, 2, ..., `batch_size` at a time."""
    executables = Executables(model, program_for(model), batch_sizes=(batch_size,), chunk_sizes=(64,))
    engine = Engine(executables, queue_size=10_000)
    asks = [_ask(model, prompt, seed) for seed, prompt in enumerate(PROMPTS * rounds)]
    events: queue.Queue[Event] = queue.Queue()
    generations = [Generation(ask, model.tokenizer, events.put) for ask in asks]
    for generation in generations:
        engine.submit(generation)
    drawn = _Drawn()
    engine.start([drawn])
    ended = 0
    while ended < len(asks):
        ended += not isinstance(events.get(), Piece)
    engine.stop()
    return [drawn.tokens(generation) for generation in generations]


def _ask(model: Model, prompt: str, seed: int) -> Ask:
    tokens = model.tokenizer.encode_chat([("user", prompt)])
    return Ask(prompt=tuple(tokens), max_tokens=_TOKENS, seed=seed, temperature=_TEMPERATURE)


def text(model: Model, tokens: Sequence[int]) -> str:
    """The tokens as text; parts of characters, and tokens that do not exist, show as U+FFFD."""
    pieces = (model.tokenizer.token_bytes(token) if _exists(model, token) else b"\xff" for token in tokens)
    return b"".join(pieces).decode(errors="replace")


def _exists(model: Model, token: int) -> bool:
    return 0 <= token < model.vocabulary


def first_difference(right: Sequence[int], wrong: Sequence[int]) -> int | None:
    """Where two answers part; the shorter one's end if they only differ in length."""
    pairs = zip(right, wrong, strict=False)
    place = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
    return min(len(right), len(wrong)) if place is None and len(right) != len(wrong) else place


def compared(model: Model, prompts: Sequence[str], right: Answers, wrong: Answers) -> list[str]:
    """How many answers differ, then those that do: both texts, and the first token that is another one."""
    places = [first_difference(*pair) for pair in zip(right, wrong, strict=True)]
    parted = sum(place is not None for place in places)
    lines = [f"{parted} of {len(right)} answers differ" if parted else "no answer differs"]
    for prompt, one, other, place in zip(prompts, right, wrong, places, strict=True):
        if place is not None:
            lines.append(f"    {prompt}")
            lines.append(f"      right: {text(model, one)!r}")
            lines.append(f"      fault: {text(model, other)!r}")
            lines.append(f"      token {place}: {_token(model, one, place)} became {_token(model, other, place)}")
    return lines


def _token(model: Model, tokens: Sequence[int], place: int) -> str:
    if place >= len(tokens):
        return "the end"
    token = tokens[place]
    if token in model.tokenizer.end_ids:
        return "the end token"
    if not _exists(model, token):
        return f"token {token} of {model.vocabulary}, which does not exist"
    data = model.tokenizer.token_bytes(token)
    try:
        return f"{data.decode()!r} ({token})"
    except UnicodeDecodeError:
        return f"the bytes {data.hex(' ')} ({token})"


def _incident(program_for: ProgramFor) -> str:
    """What the fault rebuilds: the first line of its module."""
    return (sys.modules[program_for.__module__].__doc__ or "").splitlines()[0]


def show(
    model_name: Annotated[str, typer.Option(help="smollm2-135m or synthetic")] = "smollm2-135m",
    rounds: Annotated[int, typer.Option(min=1, help="how often each prompt is asked, each time with a new seed")] = 1,
    fault: Annotated[list[str] | None, typer.Option(help="show this one only; may be repeated")] = None,
) -> None:
    """Show the wrong tokens of faults beside the right ones. No counter, no check: only tokens."""
    unknown = set(fault or ()) - FAULTS.keys()
    if unknown:
        raise typer.BadParameter(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    configure_jax()
    prompts = PROMPTS * rounds
    typer.echo(f"{model_name}: {len(prompts)} answers of {_TOKENS} tokens, temperature {_TEMPERATURE}, ", nl=False)
    typer.echo(f"seeds 0 to {len(prompts) - 1}. The right ones are those of the program without the fault.")
    model = load_model(Settings.model_validate({"model": model_name, "context": 256}))
    right: dict[tuple[ProgramFor, int], Answers] = {}
    for name, program_for in FAULTS.items():
        if fault and name not in fault:
            continue
        typer.echo(f"\n{name}: {_incident(program_for)}")
        for size in _BATCH_SIZES:
            case = right_for(name), size
            if case not in right:
                right[case] = answers(model, case[0], batch_size=size, rounds=rounds)
            wrong = answers(model, program_for, batch_size=size, rounds=rounds)
            typer.echo(f"  batch size {size}: " + "\n".join(compared(model, prompts, right[case], wrong)))


if __name__ == "__main__":
    typer.run(show)
