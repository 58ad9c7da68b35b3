"""What the served program is asked while prompts are forced through it: everything a request may ask, in turn."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from samplerd.edit_list import no_edits
from samplerd.model import Model
from samplerd.preflight.material import PARAMETERS, Asked, asked_of, rows_of, with_extras
from samplerd.program import edit_capacity
from samplerd.rows import Rows


def passes_of(size: int, length: int) -> int:
    """How often a batch of this size reads `length` tokens, one at least, until every combination has come."""
    for passes in itertools.count(1):
        turns, rows = range(passes * max(1, length)), range(size)
        if len({_number(turn, row) % len(PARAMETERS) for turn in turns for row in rows}) == len(PARAMETERS):
            break
    return passes


def asks_of(model: Model, seen: Sequence[Sequence[int]], *, turn: int) -> tuple[list[Asked], Rows]:
    """Requests that have read `seen` tokens each, and the batch that the step takes. A row that saw none is idle."""
    asks = [_ask(model, tuple(tokens), _number(turn, row)) for row, tokens in enumerate(seen)]
    edits = no_edits(len(seen), capacity=edit_capacity(model), vocabulary=model.vocabulary)
    return asks, rows_of(asks, edits, vocabulary=model.vocabulary)


def _number(turn: int, row: int) -> int:
    return turn * 5 + row  # 5 is coprime to the number of combinations: in so many turns all come, at every row


def _ask(model: Model, tokens: tuple[int, ...], number: int) -> Asked:
    if not tokens:
        return Asked(temperature=0.0, position=model.context)  # as of `idle_rows`
    asked = replace(asked_of(number % len(PARAMETERS)), position=len(tokens))
    return with_extras(asked, number, model.vocabulary, tokens)
