"""Continuous batching: one thread that reads prompts into free slots and draws a token for every running one.

A request takes the lowest free slot, one with several answers a slot for each. Each turn reads at most one chunk of one
prompt, so that a long prompt does not hold up the others, then takes one decode step at the smallest batch size that
covers the highest running slot. Prompts are read in the order in which they came, whatever their slots: a low slot that
is filled again and again holds up nobody. A prompt of several answers is read once, and copied.
"""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from samplerd.edit_list import EditList
from samplerd.failures import told
from samplerd.generation import INVALID_LOGITS, NO_SUCH_TOKEN, Ask, Event, Finished, Generation, TokenLogprobs
from samplerd.model import Model
from samplerd.program import Executables, Step, edit_capacity, idle_rows
from samplerd.rows import Rows, seed_words

log = logging.getLogger(__name__)


class QueueFullError(Exception):
    """As many requests wait as may wait."""


class EngineStoppedError(Exception):
    """The engine takes no requests any more."""


class Observer(Protocol):
    """Is told of every step after it was taken; must return quickly and must not raise."""

    def after_step(self, step: Step, running: Mapping[int, Generation]) -> None:
        """`running` are the requests by their rows of the batch, as they were before they get the new tokens."""


@dataclass
class _Slot:
    """A sequence in the cache. `read` prompt tokens are in the cache; the last one goes through a decode step."""

    generation: Generation
    number: int
    """Rises from one admission to the next."""
    edits: EditList | None = None
    read: int = 0

    @property
    def to_read(self) -> int:
        return len(self.generation.ask.prompt) - 1 - self.read

    @property
    def next_token(self) -> int:
        drawn = self.generation.tokens
        return drawn[-1] if drawn else self.generation.ask.prompt[-1]

    @property
    def next_position(self) -> int:
        return len(self.generation.ask.prompt) + len(self.generation.tokens)


class Engine:
    """Owns the executables. `submit` may be called from any thread; all else happens in the engine's own."""

    def __init__(self, executables: Executables, *, queue_size: int) -> None:
        self._executables = executables
        self._model = executables.model
        self._batch_sizes = executables.batch_sizes
        self._chunk_sizes = executables.chunk_sizes
        self._queue_size = queue_size
        self._slots: list[_Slot | None] = [None] * self._batch_sizes[-1]
        self._waiting: deque[Generation] = deque()
        self._admitted = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._turn_began: float | None = None
        self._observers: Sequence[Observer] = ()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.failed = threading.Event()
        """Set when the engine died of an exception; it answers nothing after that."""

    @property
    def model(self) -> Model:
        """The model it serves."""
        return self._model

    @property
    def batch_sizes(self) -> Sequence[int]:
        """The batch sizes it has programs for."""
        return self._batch_sizes

    @property
    def most_together(self) -> int:
        """How many answers an idle engine takes on at once."""
        return len(self._slots) + self._queue_size

    @property
    def waiting(self) -> int:
        """Answers that have no slot yet."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Answers that have a slot."""
        return sum(slot is not None for slot in self._slots)

    @property
    def turn_seconds(self) -> float:
        """How long the present turn has lasted; 0 between turns. A turn compiles nothing: it is always short."""
        began = self._turn_began
        return 0.0 if began is None else time.monotonic() - began

    def warm_up(self) -> None:
        """Run every program once, then really draw a token for a request. Unobserved; call it before `start`."""
        for size in self._chunk_sizes:
            self._executables.prefill(np.zeros(size, np.int32), 0, 0)
        self._executables.copy_slot(0, 0)
        self._executables.forget(0)
        for size in self._batch_sizes:
            self._executables.step(np.zeros(size, np.int32), idle_rows(size, self._model))
        events: list[Event] = []
        prompt = tuple(self._model.tokenizer.encode("Hello, world"))
        ask = Ask(prompt=prompt, max_tokens=1, seed=1, temperature=1.0)
        self._waiting.append(Generation(ask, self._model.tokenizer, events.append))
        while self.running or self.waiting:
            self._turn()
        if not isinstance(events[-1], Finished):
            raise RuntimeError(f"the warm-up request did not end well: {events[-1]}")

    def start(self, observers: Sequence[Observer] = (), on_death: Callable[[], object] = lambda: None) -> None:
        """Begin to serve. `on_death` is called in the engine's thread should it die of an exception."""
        self._observers = observers
        self._on_death = on_death
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Stop after the present step; requests under way fail."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def submit(self, *generations: Generation) -> None:
        """Queue the answers to a request, all or none. Raises QueueFullError or EngineStoppedError."""
        with self._changed:
            if self._stopping or self.failed.is_set():
                raise EngineStoppedError
            free = self._slots.count(None)
            if len(self._waiting) + len(generations) > self._queue_size + free:
                raise QueueFullError
            self._waiting.extend(generations)
            self._changed.notify()

    def _run(self) -> None:
        message = "the server is shutting down"
        try:
            while self._wait_for_work():
                self._turn_began = time.monotonic()
                self._turn()
                self._turn_began = None
        except Exception as error:
            log.error("the engine died: %s", told(error))
            message = "the engine died"
            self.failed.set()
            self._on_death()
        finally:
            self._fail_all(message)

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._stopping or self._waiting or self.running):
                self._changed.wait()
            return not self._stopping

    def _turn(self) -> None:
        self._admit()
        self._share_prompts()
        unread = self._unread()
        if unread:
            self._read_chunk(unread[0])
            self._share_prompts()
        running = [index for index, slot in enumerate(self._slots) if slot and slot.to_read == 0]
        if running:
            self._step(running)

    def _admit(self) -> None:
        """Free the slots of cancelled requests and fill free ones from the queue."""
        with self._changed:
            for index, slot in enumerate(self._slots):
                if slot and slot.generation.cancelled:
                    self._slots[index] = None
                    if slot.read and not slot.generation.tokens:  # no token yet: nobody knows what the prompt left
                        self._executables.forget(index)
            self._waiting = deque(waiting for waiting in self._waiting if not waiting.cancelled)
            for index, slot in enumerate(self._slots):
                if slot is None and self._waiting:
                    self._slots[index] = self._slot_for(self._waiting.popleft())

    def _slot_for(self, generation: Generation) -> _Slot:
        ask = generation.ask
        if not ask.wishes.any:
            return _Slot(generation, next(self._admitted))
        capacity, vocabulary = edit_capacity(self._model), self._model.vocabulary
        edits = EditList(ask.wishes, ask.prompt, capacity=capacity, vocabulary=vocabulary)
        return _Slot(generation, next(self._admitted), edits)

    def _unread(self) -> list[int]:
        """Slots whose prompt is not read to its end, in the order of their admission."""
        found = [(slot.number, index) for index, slot in enumerate(self._slots) if slot and slot.to_read > 0]
        return [index for _, index in sorted(found)]

    def _share_prompts(self) -> None:
        """Give slots a prompt that another answer to the same request has read to its end.

        What that one has drawn since is copied too and does no harm: it is overwritten before anything reads it.
        """
        unread = self._unread()
        if not unread:
            return
        whole = {
            id(slot.generation.ask.prompt): index for index, slot in enumerate(self._slots) if slot and not slot.to_read
        }
        for index in unread:
            slot = self._slots[index]
            assert slot is not None
            source = whole.get(id(slot.generation.ask.prompt))
            if source is not None:
                self._executables.copy_slot(source, index)
                slot.read += slot.to_read

    def _read_chunk(self, index: int) -> None:
        slot = self._slots[index]
        assert slot is not None
        size = next((size for size in self._chunk_sizes if size >= slot.to_read), self._chunk_sizes[-1])
        start = min(slot.read, self._model.context - size)  # a chunk must not hang over the context's end
        part = slot.generation.ask.prompt[start:-1][:size]
        chunk = np.zeros(size, np.int32)
        chunk[: len(part)] = part
        self._executables.prefill(chunk, start, index)
        slot.read = start + len(part)

    def _step(self, running: Sequence[int]) -> None:
        size = next(size for size in self._batch_sizes if size > running[-1])
        tokens, rows = np.zeros(size, np.int32), idle_rows(size, self._model)
        generations: dict[int, Generation] = {}
        for index in running:
            slot = self._slots[index]
            assert slot is not None
            tokens[index] = slot.next_token
            _fill_row(rows, index, slot)
            generations[index] = slot.generation
        step = self._executables.step(tokens, rows)
        now = time.monotonic()
        for observer in self._observers:
            observer.after_step(step, generations)
        for index in running:
            self._deliver(index, step, now)

    def _deliver(self, index: int, step: Step, now: float) -> None:
        slot = self._slots[index]
        assert slot is not None
        token = int(step.token[index])
        exists = 0 <= token < self._model.vocabulary
        if not step.valid[index] or not exists:
            slot.generation.fail(INVALID_LOGITS if exists else NO_SUCH_TOKEN)
            self._executables.forget(index)
            self._slots[index] = None
            return
        if slot.edits is not None:
            slot.edits.push(token)
        if slot.generation.accept(token, now, _logprobs(step, index, slot.generation.ask.top_logprobs)):
            self._slots[index] = None

    def _fail_all(self, message: str) -> None:
        with self._changed:
            self._stopping = True
            for generation in [*(slot.generation for slot in self._slots if slot), *self._waiting]:
                generation.fail(message)
            self._slots = [None] * len(self._slots)
            self._waiting.clear()


def _fill_row(rows: Rows, index: int, slot: _Slot) -> None:
    ask = slot.generation.ask
    rows.temperature[index] = ask.temperature
    rows.top_k[index] = ask.top_k
    rows.top_p[index] = ask.top_p
    rows.seed[index] = seed_words(ask.seed)
    rows.min_p[index] = ask.min_p
    rows.position[index] = slot.next_position
    if slot.edits is not None and rows.edits is not None:
        slot.edits.write(rows.edits, index)
    if rows.logprobs is not None:
        np.asarray(rows.logprobs)[index] = ask.top_logprobs is not None


def _logprobs(step: Step, row: int, count: int | None) -> TokenLogprobs | None:
    if count is None or step.logprobs is None:
        return None
    top = zip(step.logprobs.top_ids[row, :count].tolist(), step.logprobs.top[row, :count].tolist(), strict=True)
    return TokenLogprobs(int(step.token[row]), float(step.logprobs.token[row]), tuple(top))
