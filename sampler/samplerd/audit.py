"""The replay audit: recomputes tokens that were really drawn, from the logits they were drawn from.

Rows are chosen after the step, by a coin of the audit's own; nothing in the tensor program depends on it. What a token
should have been drawn with comes from the request itself, not from the row that the engine made of it. The oracle works
in a thread of its own behind a bounded queue: when it falls behind, tokens are left out of the audit, and counted.
"""

import logging
import queue
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samplerd import oracle, oracle_changes
from samplerd.calibration import Surprise, surprise
from samplerd.edit_list import Wishes
from samplerd.failures import told
from samplerd.generation import Generation
from samplerd.metrics import RANDOM_MODES, Metrics
from samplerd.program import Step
from samplerd.rows import COLDEST, SMALLEST_NORMAL, Sampled

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Sample:
    """One drawn token and all that is needed to draw it again."""

    request: oracle.Request
    logits: npt.NDArray[np.float32]
    batch_size: int
    drawn: oracle.Drawn
    seed_drawn: bool


class Audit:
    """Observes the engine's steps; counts into the metrics."""

    def __init__(self, metrics: Metrics, *, share: float, capacity: int) -> None:
        self._metrics = metrics
        self._share = share
        self._coin = random.Random()
        self._queue: queue.Queue[_Sample | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()

    def after_step(self, step: Step, running: Mapping[int, Generation]) -> None:
        """Count the step's tokens and take some of them for the audit. Called in the engine's thread."""
        certified = int(step.certified[list(running)].sum())
        self._metrics.tokens.inc(len(running))
        self._metrics.certified.inc(certified)
        self._metrics.fallback.inc(len(running) - certified)
        chosen = [row for row in running if self._coin.random() < self._share]
        self._coin.shuffle(chosen)  # a queue that is nearly full must not always drop the same rows
        for row in chosen:
            self._take(step, row, running[row])

    def _take(self, step: Step, row: int, generation: Generation) -> None:
        if self._queue.full():  # before the copy of the logits, which costs
            self._metrics.audit_dropped.inc()
            return
        sample = _Sample(
            request=_request(generation),
            logits=step.logits[row].copy(),
            batch_size=len(step.token),
            drawn=drawn_in(step, row),
            seed_drawn=generation.ask.seed_drawn,
        )
        try:
            self._queue.put_nowait(sample)
        except queue.Full:  # `stop` has just put its word there
            self._metrics.audit_dropped.inc()

    def stop(self, timeout: float = 5.0) -> None:
        """Finish what is queued and end the thread."""
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _work(self) -> None:
        while (sample := self._queue.get()) is not None:
            try:
                self._check(sample)
            except Exception as error:
                log.error("the audit could not judge a token: %s", told(error))
                self._metrics.audit_dropped.inc()

    def _check(self, sample: _Sample) -> None:
        expected = oracle.expect(sample.logits, sample.request)
        kind = oracle.judge(expected, sample.drawn)
        mode = mode_of(sample.request, sample.logits.size)
        drawn = _surprise(sample, expected) if mode in RANDOM_MODES else None
        self._metrics.count_audited(str(sample.batch_size), mode, kind=kind, surprise=drawn)


def _surprise(sample: _Sample, expected: oracle.Expected) -> Surprise | None:
    """What a token tells of calibration; None if it was not drawn at random from a row that both sides call valid."""
    if not (sample.seed_drawn and sample.drawn.valid and expected.valid):
        return None
    return surprise(expected, sample.drawn.token)


def mode_of(request: oracle.Request, vocabulary: int) -> str:
    """The metrics' label `mode`: which way through the sampler the request takes."""
    if np.float32(request.temperature) < COLDEST:
        return "greedy"
    min_p = np.float32(request.min_p) >= SMALLEST_NORMAL
    truncated = 0 < request.top_k < vocabulary or np.float32(request.top_p) < 1 or min_p
    return "truncated" if truncated else "full"


def drawn_in(step: Step | Sampled, row: int) -> oracle.Drawn:
    """What one row of a step says of its token."""
    return oracle.Drawn(
        valid=bool(step.valid[row]),
        best=int(step.best[row]),
        token=int(step.token[row]),
        kept=int(step.kept[row]),
        threshold=float(step.threshold[row]),
    )


def _request(generation: Generation) -> oracle.Request:
    """What the next token of a request is drawn with."""
    ask = generation.ask
    return oracle.Request(
        temperature=ask.temperature,
        top_k=ask.top_k,
        top_p=ask.top_p,
        seed=ask.seed,
        position=len(ask.prompt) + len(generation.tokens),
        min_p=ask.min_p,
        changes=changes_of(ask.wishes, ask.prompt, tuple(generation.tokens)),
    )


def changes_of(wishes: Wishes, prompt: tuple[int, ...], output: tuple[int, ...]) -> oracle_changes.Changes:
    """A request's edits in the oracle's form, with the tokens that its penalties depend on."""
    if not wishes.any:
        return oracle_changes.NO_CHANGES
    return oracle_changes.Changes(
        allowed_ids=wishes.allowed_ids,
        logit_bias=wishes.logit_bias,
        repetition_penalty=wishes.repetition_penalty,
        presence_penalty=wishes.presence_penalty,
        frequency_penalty=wishes.frequency_penalty,
        prompt=prompt,
        output=output,
    )
