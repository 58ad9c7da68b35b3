"""Cases about the very program that will serve: its compiled steps, its shapes, its model."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from quality_contract.preflight import TOLERANCE_NATS

from samplerd.preflight.asks import asks_of, passes_of
from samplerd.preflight.conformance import fails, judged, smallest
from samplerd.preflight.material import Floats
from samplerd.preflight.prompts import Scored, log_softmax, prompts, scored
from samplerd.preflight.results import KIND_LOGITS, Case, Failure, Result, Shape, Smallest, Tally, Wrong
from samplerd.preflight.samplers import Samplers
from samplerd.program import Executables

GROUP = "served"
COMPARED = 4
"""Tokens of each prompt whose logits are worked out again, operation by operation."""


@dataclass
class Served:
    """The prompts go through the compiled steps token by token; what the first pass gave, later cases compare with."""

    executables: Executables
    samplers: Samplers
    precision: str
    scores: list[Scored] = field(default_factory=list, init=False)
    _logits: dict[tuple[int, int], Floats] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._model = self.executables.model
        self._prompts = prompts(self._model)
        self._tolerance = TOLERANCE_NATS[self.precision]

    def cases(self) -> Iterator[Case]:
        """All of them must run. The largest batch comes first: it sees every prompt."""
        largest, *smaller = sorted(self.executables.batch_sizes, reverse=True)
        read = min(len(tokens) for tokens in self._prompts)
        yield self._steps(largest, passes=max(-(-len(self._prompts) // largest), passes_of(largest, read)))
        for size in smaller:
            yield self._steps(size, passes_of(size, read))
        yield self._case("logits, operation by operation", self._plain)
        for size in self.executables.chunk_sizes:
            yield self._case(f"a prompt read in a chunk of {size}", partial(self._chunk, size))

    def _case(self, what: str, run: Callable[[str], Result]) -> Case:
        name = f"{self._model.name}, {what}"
        return Case(name, GROUP, lambda: run(name), required=True)

    def _steps(self, size: int, passes: int) -> Case:
        name = f"{self._model.name}, serving step at batch {size}"
        shape = Shape(size, self._model.vocabulary, self._model.vocabulary)

        def shrink(failure: Failure, in_time: Callable[[], bool]) -> Smallest | None:
            if failure.kind != KIND_LOGITS:
                behind = replace(shape, head=True)  # what lies before the sampler stands behind a dot
                for kind in (shape, behind, replace(behind, edited=True)):
                    if not in_time():
                        return Smallest(shape.batch, shape.vocabulary, None, cut_off=True)
                    if fails(self.samplers, kind):
                        return smallest(self.samplers, kind, in_time)
            return Smallest(shape.batch, shape.vocabulary, None)

        return Case(name, GROUP, partial(self._force, name, size, passes), required=True, shrink=shrink)

    def _force(self, name: str, size: int, passes: int) -> Result:
        """Teacher-force prompts through the step of one batch size, asking for something else at every token."""
        tally, turns = Tally(name), itertools.count()
        for turn in range(passes):
            mine = [(turn * size + row) % len(self._prompts) for row in range(size)]
            for index in range(min(len(self._prompts[prompt]) for prompt in mine)):
                seen = [self._prompts[prompt][: index + 1] for prompt in mine]
                asks, rows = asks_of(self._model, seen, turn=next(turns))
                step = self.executables.step(np.array([tokens[-1] for tokens in seen], np.int32), rows)
                for row, asked in enumerate(asks):
                    tally.add(judged(step.logits[row], asked, step, row))
                for row, prompt in enumerate(mine):
                    self._compare(tally, step.logits[row], prompt, index)
        if not self.scores:
            self.scores = [self._scored(number) for number in range(len(self._prompts))]
        return tally.result()

    def _scored(self, number: int) -> Scored:
        tokens = self._prompts[number]
        return scored(number, tokens, [self._logits[number, index] for index in range(len(tokens))])

    def _compare(self, tally: Tally, logits: Floats, prompt: int, index: int) -> None:
        """Logits after the same tokens must be the same, whatever else is in the batch and however they were read."""
        known = self._logits.setdefault((prompt, index), logits.copy())
        apart = _apart(known, logits)
        differs = apart > self._tolerance
        tally.add(Wrong(KIND_LOGITS, _example(known, logits, prompt, index, apart)) if differs else None)

    def _plain(self, name: str) -> Result:
        """The model without anything around it and without a compiler that sees more than one operation of it."""
        tally = Tally(name)
        count = len(self._prompts)
        cache = self._model.empty_cache(count)
        for index in range(min(COMPARED, *(len(tokens) for tokens in self._prompts))):
            tokens = np.array([prompt[index] for prompt in self._prompts], np.int32)
            positions = np.full(count, index, np.int32)
            logits, cache = self._model.decode(self._model.weights, cache, tokens, positions)
            for prompt, row in enumerate(np.asarray(logits).astype(np.float32)):
                self._compare(tally, row, prompt, index)
        return tally.result()

    def _chunk(self, size: int, name: str) -> Result:
        """The prompt's beginning in one chunk, then a step: the logits must be those of reading it token by token."""
        tally = Tally(name)
        tokens = self._prompts[0]
        index = min(size, len(tokens) - 1)
        chunk = np.zeros(size, np.int32)
        chunk[:index] = tokens[:index]
        self.executables.prefill(chunk, 0, 0)
        smallest_batch = self.executables.batch_sizes[0]
        _, rows = asks_of(self._model, [tokens[: index + 1]] + [()] * (smallest_batch - 1), turn=0)
        last = np.array([tokens[index]] + [0] * (smallest_batch - 1), np.int32)
        self._compare(tally, self.executables.step(last, rows).logits[0], 0, index)
        return tally.result()


def _apart(one: Floats, other: Floats) -> float:
    """The largest difference of two rows' log-probabilities, in nats; infinite where one is masked, or no number."""
    with np.errstate(invalid="ignore"):
        first, second = log_softmax(one), log_softmax(other)
        difference = np.where(first == second, 0.0, np.abs(first - second))
    return float(np.nan_to_num(difference, nan=np.inf).max())


def _example(known: Floats, logits: Floats, prompt: int, index: int, apart: float) -> dict[str, Any]:
    with np.errstate(invalid="ignore"):
        token = int(np.nan_to_num(np.abs(log_softmax(known) - log_softmax(logits)), nan=np.inf).argmax())
    return {
        "prompt": prompt,
        "tokens_read": index + 1,
        "apart_nats": apart if np.isfinite(apart) else "infinite",
        "token": token,
        "logits": [str(known[token]), str(logits[token])],
    }
