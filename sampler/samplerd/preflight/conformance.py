"""Cases that compare the sampler with the oracle, row by row, and find the smallest shape that fails."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from samplerd import oracle
from samplerd.audit import drawn_in
from samplerd.oracle_changes import NO_CHANGES
from samplerd.preflight.material import (
    ALL_PARAMETERS,
    NATURES,
    PARAMETERS,
    Asked,
    Floats,
    any_of,
    asked_of,
    with_extras,
)
from samplerd.preflight.prompts import log_softmax
from samplerd.preflight.results import KIND_LOGPROBS, Case, Result, Shape, Smallest, Tally, Wrong
from samplerd.preflight.samplers import Run, Samplers
from samplerd.program import Step
from samplerd.rows import MOST_TOP_LOGPROBS, Sampled

LOGPROB_TOLERANCE = 2.0**-13
"""Nats. docs/sampling.md grants 2^-14 to each of two ways of working them out, or one unit in the last place."""

_BATCHES = (1, 2, 3, 4, 8, 16, 31, 32, 33, 64, 65, 128, 256)
VOCABULARIES = (2, 3, 8, 17, 32, 33, 64, 129, 257, 513, 1025, 2049, 4097, 16385, 65537)
_COUNTS = (1, 2, 3, 4, 8, 16, 32, 64, 256, 1024)
_LEAST_ROWS = 2 * len(PARAMETERS)
"""Rows of a case, at least: every combination of parameters twice, with logits of two natures."""


def case(samplers: Samplers, shape: Shape, group: str, *, required: bool = False) -> Case:
    """The case of one shape."""
    return Case(
        name=shape.label,
        group=group,
        run=lambda: examined(shape.label, shape, samplers.compiled(shape)),
        required=required,
        shrink=lambda _failure, in_time: smallest(samplers, shape, in_time),
    )


def parameters_case(samplers: Samplers, shape: Shape) -> Case:
    """The case of every combination of parameters at one shape."""
    name = f"all parameters, {shape.label}"

    def run() -> Result:
        tally, compiled = Tally(name), samplers.compiled(shape)
        for start in range(0, len(ALL_PARAMETERS), shape.batch):
            numbers = range(start, start + shape.batch)
            for wrong in judged_batch(compiled, numbers, [any_of(number) for number in numbers]):
                tally.add(wrong)
        return tally.result()

    return Case(name, "parameters", run, shrink=lambda _failure, in_time: smallest(samplers, shape, in_time))


def examined(name: str, shape: Shape, run: Run) -> Result:
    """Draw batches and compare every row."""
    tally = Tally(name)
    for numbers in batches(shape.batch):
        for wrong in judged_batch(run, numbers, asked_at(shape, numbers)):
            tally.add(wrong)
    return tally.result()


def asked_at(shape: Shape, numbers: Sequence[int]) -> list[Asked]:
    """What the rows of these numbers are asked at a shape."""
    asked = [asked_of(number) for number in numbers]
    if not shape.edited:
        return asked
    return [with_extras(each, number, shape.vocabulary) for each, number in zip(asked, numbers, strict=True)]


def batches(size: int) -> list[range]:
    """The numbers of the rows of a case, batch by batch. Different sizes start at different natures of logits."""
    start = size % len(NATURES) * len(PARAMETERS)
    count = -(-_LEAST_ROWS // size)
    return [range(start + turn * size, start + (turn + 1) * size) for turn in range(count)]


def judged_batch(run: Run, numbers: Sequence[int], asked: Sequence[Asked]) -> list[Wrong | None]:
    """Draw one batch; say of each row what is wrong with it."""
    logits, sampled = run(numbers, asked)
    return [judged(logits[row], each, sampled, row) for row, each in enumerate(asked)]


def judged(logits: Floats, asked: Asked, sampled: Sampled | Step, row: int) -> Wrong | None:
    """Compare one row with the oracle, and its log-probabilities, if it wants any, with those in float64."""
    request = asked.request()
    expected, drawn = oracle.expect(logits, request), drawn_in(sampled, row)
    kind = oracle.judge(expected, drawn)
    if kind is not None:
        return Wrong(kind, _example(request, expected, drawn, row))
    return _judged_logprobs(logits, sampled, row) if asked.logprobs and expected.valid else None


def _judged_logprobs(logits: Floats, sampled: Sampled | Step, row: int) -> Wrong | None:
    made = sampled.logprobs
    if made is None:
        return Wrong(KIND_LOGPROBS, {"row": row, "problem": "there are none"})
    exact = log_softmax(logits)
    ids = made.top_ids[row]
    real = ids < exact.size
    told = np.append(made.top[row][real], made.token[row])
    right = np.append(exact[ids[real]], exact[sampled.token[row]])
    best = np.sort(exact)[::-1][: int(real.sum())]
    with np.errstate(invalid="ignore"):
        told, right = np.append(told, exact[ids[real]]), np.append(right, best)
        apart = np.nan_to_num(np.where(told == right, 0.0, np.abs(told - right)), nan=np.inf, posinf=np.inf)
        unit = np.nan_to_num(np.spacing(np.abs(right).astype(np.float32)))  # of minus infinity there is none
    if (apart <= np.maximum(LOGPROB_TOLERANCE, 2 * unit)).all() and real.sum() == min(MOST_TOP_LOGPROBS, exact.size):
        return None
    return Wrong(KIND_LOGPROBS, {"row": row, "apart_nats": float(apart.max())})


def _example(request: oracle.Request, expected: oracle.Expected, drawn: oracle.Drawn, row: int) -> dict[str, Any]:
    """The numbers of a failing row."""
    return {
        "row": row,
        "temperature": request.temperature,
        "top_k": request.top_k,
        "top_p": request.top_p,
        "min_p": request.min_p,
        "seed": request.seed,
        "position": request.position,
        "edited": request.changes != NO_CHANGES,
        "expected": {
            "valid": expected.valid,
            "best": expected.best,
            "token": expected.token,
            "kept": int(expected.kept.size),
        },
        "drawn": {"valid": drawn.valid, "best": drawn.best, "token": drawn.token, "kept": drawn.kept},
    }


def smallest(samplers: Samplers, shape: Shape, in_time: Callable[[], bool]) -> Smallest | None:
    """Try smaller batches, then smaller vocabularies, then smaller k; the first of each that fails is kept.

    Failures need not be monotone, so the smallest is tried first. What time did not allow to try may fail too.
    """
    found = shape
    for smaller_than in (_smaller_batches, _smaller_vocabularies):
        for smaller in smaller_than(found):
            if not in_time():
                break
            if fails(samplers, smaller):
                found = smaller
                break
    if not in_time():
        return Smallest(found.batch, found.vocabulary, None, cut_off=True)
    return Smallest(found.batch, found.vocabulary, _smallest_top_k(samplers, found))


def _smaller_batches(shape: Shape) -> list[Shape]:
    return [replace(shape, batch=batch) for batch in _BATCHES if batch < shape.batch]


def _smaller_vocabularies(shape: Shape) -> list[Shape]:
    padding = shape.width - shape.vocabulary
    sizes = [size for size in VOCABULARIES if shape.devices <= size < shape.vocabulary]
    return [replace(shape, vocabulary=size, width=size + padding) for size in sizes]


def fails(samplers: Samplers, shape: Shape) -> bool:
    """Whether any row of a shape's case is wrong."""
    run = samplers.compiled(shape)
    return any(any(judged_batch(run, numbers, asked_at(shape, numbers))) for numbers in batches(shape.batch))


def _smallest_top_k(samplers: Samplers, shape: Shape) -> int | None:
    """The smallest k with which a shape fails, all else off; None if none of those tried fails."""
    run = samplers.compiled(shape)
    for count in _COUNTS:
        for numbers in batches(shape.batch):
            asked = [replace(Asked(top_k=count), seed=number, position=number) for number in numbers]
            if count < shape.vocabulary and any(judged_batch(run, numbers, asked)):
                return count
    return None
