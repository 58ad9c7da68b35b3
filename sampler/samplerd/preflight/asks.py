"""What the served program is asked while prompts are forced through it: everything a request may ask, in turn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from samplerd import oracle
from samplerd.edit_list import NO_WISHES, EditList, Wishes
from samplerd.model import Model
from samplerd.oracle_changes import NO_CHANGES, Changes
from samplerd.preflight.material import PARAMETERS, asked_of
from samplerd.preflight.prompts import log_softmax
from samplerd.preflight.results import KIND_LOGPROBS, Wrong
from samplerd.program import Step, edit_capacity, idle_rows
from samplerd.rows import MOST_TOP_LOGPROBS, Rows, seed_words

LOGPROB_TOLERANCE = 2.0**-13
"""Nats. docs/sampling.md grants 2^-14 to each of two ways of working them out."""
_EVERY = 3
"""Every so many rows are edited, and every so many want log-probabilities."""


@dataclass(frozen=True)
class Ask:
    """One row's request in the oracle's form, and whether it wants log-probabilities."""

    request: oracle.Request
    logprobs: bool


def asks_of(model: Model, seen: Sequence[Sequence[int]], *, turn: int) -> tuple[list[Ask], Rows]:
    """Requests that have read `seen` tokens each, and the batch that the step takes. A row that saw none is idle."""
    rows = idle_rows(len(seen), model)
    asks = []
    for row, tokens in enumerate(seen):
        number = turn * 5 + row  # coprime to the number of combinations: all come, at every row
        asked = replace(asked_of(number % len(PARAMETERS)), position=len(tokens))
        wishes = _wishes(model.vocabulary, number // _EVERY) if number % _EVERY == 1 else NO_WISHES
        wants = number % _EVERY == 2
        asks.append(Ask(replace(asked.request(), changes=_changes(wishes, tokens)), wants))
        if not tokens:
            continue
        rows.temperature[row], rows.top_k[row], rows.top_p[row] = asked.temperature, asked.top_k, asked.top_p
        rows.min_p[row], rows.position[row] = asked.min_p, asked.position
        rows.seed[row] = seed_words(asked.seed)
        np.asarray(rows.logprobs)[row] = wants
        if wishes.any and rows.edits is not None:
            _edit_list(model, wishes, tokens).write(rows.edits, row)
    return asks, rows


def _halves(tokens: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What counts as prompt and what as output."""
    half = -(-len(tokens) // 2)
    return tuple(tokens[:half]), tuple(tokens[half:])


def _edit_list(model: Model, wishes: Wishes, tokens: Sequence[int]) -> EditList:
    prompt, output = _halves(tokens)
    edits = EditList(wishes, prompt, capacity=edit_capacity(model), vocabulary=model.vocabulary)
    for token in output:
        edits.push(token)
    return edits


def _changes(wishes: Wishes, tokens: Sequence[int]) -> Changes:
    if not wishes.any:
        return NO_CHANGES
    prompt, output = _halves(tokens)
    return Changes(
        allowed_ids=wishes.allowed_ids,
        logit_bias=wishes.logit_bias,
        repetition_penalty=wishes.repetition_penalty,
        presence_penalty=wishes.presence_penalty,
        frequency_penalty=wishes.frequency_penalty,
        prompt=prompt,
        output=output,
    )


@cache
def _all_wishes(vocabulary: int) -> tuple[Wishes, ...]:
    return (
        Wishes(repetition_penalty=1.3, presence_penalty=0.5, frequency_penalty=0.25),
        Wishes(logit_bias=((0, 5.0), (vocabulary // 2, -100.0), (vocabulary - 1, 4.0))),
        Wishes(allowed_ids=tuple(range(5, vocabulary, -(-vocabulary // 100))), repetition_penalty=0.8),
    )


def _wishes(vocabulary: int, number: int) -> Wishes:
    kinds = _all_wishes(vocabulary)
    return kinds[number % len(kinds)]


def judged_logprobs(step: Step, row: int, ask: Ask) -> Wrong | None:
    """Compare a row's log-probabilities with those of its logits in float64."""
    if not ask.logprobs or step.logprobs is None or not step.valid[row]:
        return None
    exact = log_softmax(step.logits[row])
    ids = step.logprobs.top_ids[row]
    real = ids < exact.size
    told = np.append(step.logprobs.top[row][real], step.logprobs.token[row])
    right = np.append(exact[ids[real]], exact[step.token[row]])
    best = np.sort(exact)[::-1][: int(real.sum())]
    with np.errstate(invalid="ignore"):
        apart = np.nan_to_num(np.abs(np.append(told - right, exact[ids[real]] - best)), nan=0.0, posinf=np.inf)
    if apart.max() <= LOGPROB_TOLERANCE and real.sum() == min(MOST_TOP_LOGPROBS, exact.size):
        return None
    return Wrong(KIND_LOGPROBS, {"row": row, "apart_nats": float(apart.max())})
