"""The engine by itself: slots, order, chunks of prompts, cancellation."""

import queue
import threading
import time
from collections.abc import Mapping, Sequence

import pytest
from samplerd.engine import Engine, EngineStoppedError, QueueFullError
from samplerd.generation import Ask, Event, Failed, Finished, Generation, Piece
from samplerd.program import Executables, Step

from tests.unit.samplerd.servers import Paced


class Asked:
    """A request and the events it got."""

    def __init__(self, engine: Engine, prompt: Sequence[int] | str, **ask: object) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        tokenizer = engine.model.tokenizer
        tokens = tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
        values = {"max_tokens": 8, "seed": 1, **ask}
        self.generation = Generation(Ask(prompt=tuple(tokens), **values), tokenizer, self.events.put)  # type: ignore[arg-type]
        engine.submit(self.generation)

    def end(self) -> Event:
        while isinstance(event := self.events.get(timeout=20), Piece):
            pass
        return event

    def tokens(self) -> list[int]:
        assert isinstance(self.end(), Finished)
        return self.generation.tokens


def run_alone(executables: Executables, prompt: Sequence[int] | str, **ask: object) -> list[int]:
    engine = Engine(executables, queue_size=1)
    engine.start()
    asked = Asked(engine, prompt, **ask)
    tokens = asked.tokens()
    engine.stop()
    return tokens


class Watch:
    """Remembers the shapes of the steps."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.running: list[list[int]] = []

    def after_step(self, step: Step, running: Mapping[int, Generation]) -> None:
        self.sizes.append(len(step.token))
        self.running.append(list(running))


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 64, 65, 100, 119])
def test_a_prompt_of_any_length_is_read_rightly(executables: Executables, length: int) -> None:
    """The toy's next token depends on its last two: junk left of the cache or a shifted chunk would show."""
    prompt = [260 + (7 * n) % 100 for n in range(length)]
    tail = prompt[-2:]
    got = run_alone(executables, prompt, temperature=0.0)
    again = run_alone(executables, prompt, temperature=0.0)
    assert got == again
    if length > 1:
        assert got == run_alone(executables, tail, temperature=0.0)


def test_company_changes_nothing(executables: Executables, engine: Engine) -> None:
    asks = [(f"story number {n} " * (n + 1), {"seed": n, "max_tokens": 5 + n}) for n in range(6)]
    alone = [run_alone(executables, prompt, **ask) for prompt, ask in asks]
    engine.start()
    together = [Asked(engine, prompt, **ask) for prompt, ask in asks]
    assert [asked.tokens() for asked in together] == alone


def test_the_smallest_batch_that_fits_is_used(engine: Engine) -> None:
    watch = Watch()
    asked = [Asked(engine, "a", max_tokens=2 + 3 * n, seed=2, temperature=0.5) for n in range(3)]
    engine.start([watch])
    for one in asked:
        one.tokens()
    assert watch.sizes[0] == 4
    assert watch.running[0] == [0, 1, 2]
    assert all(size in (1, 2, 4) for size in watch.sizes)
    assert {len(running) for running in watch.running} <= {1, 2, 3}


def test_first_come_first_served(engine: Engine) -> None:
    order: list[int] = []

    class Order:
        def after_step(self, step: Step, running: Mapping[int, Generation]) -> None:
            order.extend(generation.ask.seed for generation in running.values())

    asked = [Asked(engine, "a", max_tokens=3, seed=seed, temperature=0.5) for seed in range(8)]
    engine.start([Order()])
    for one in asked:
        one.tokens()
    assert list(dict.fromkeys(order)) == list(range(8))


def test_the_queue_is_bounded(engine: Engine) -> None:
    for _ in range(8):  # four slots, four waiting
        Asked(engine, "a")
    with pytest.raises(QueueFullError):
        Asked(engine, "a")


def test_a_cancelled_request_frees_its_place(executables: Executables) -> None:
    engine = Engine(Paced(executables, step_time=0.01), queue_size=4)  # type: ignore[arg-type]
    engine.start()
    asked = [Asked(engine, "a", max_tokens=100, seed=1) for _ in range(6)]
    asked[0].events.get(timeout=20)
    for one in asked:
        one.generation.cancel()
    end = time.monotonic() + 10
    while engine.running or engine.waiting:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert isinstance(Asked(engine, "a", max_tokens=2).end(), Finished)
    engine.stop()


def test_stop_fails_what_is_under_way_and_refuses_the_rest(executables: Executables) -> None:
    engine = Engine(Paced(executables, step_time=0.01), queue_size=4)  # type: ignore[arg-type]
    engine.start()
    asked = Asked(engine, "a", max_tokens=100, seed=1)
    asked.events.get(timeout=20)
    engine.stop()
    assert isinstance(asked.end(), Failed)
    with pytest.raises(EngineStoppedError):
        Asked(engine, "a")


def test_an_end_token_ends_and_is_not_shown(executables: Executables) -> None:
    engine = Engine(executables, queue_size=1)
    engine.start()
    for seed in range(200):
        asked = Asked(engine, "a", max_tokens=100, seed=seed)
        event = asked.end()
        if event == Finished("stop"):
            break
    engine.stop()
    assert asked.generation.tokens[-1] in engine.model.tokenizer.end_ids
    assert not set(asked.generation.tokens[:-1]) & engine.model.tokenizer.end_ids


def test_no_prompt_is_held_up_by_those_that_come_after_it(executables: Executables) -> None:
    """A new request for each that ends keeps the low slots full: the high ones still get their turn."""
    slots = executables.batch_sizes[-1]
    engine = Engine(executables, queue_size=2 * slots)
    ended: list[int] = []
    enough = threading.Event()

    def ask(number: int) -> Generation:
        def heard(event: Event) -> None:
            if isinstance(event, Piece):
                return
            ended.append(number)
            if len(ended) >= 20 * slots:
                enough.set()
            else:
                engine.submit(ask(number + 2 * slots))

        prompt = tuple(260 + (7 * n) % 100 for n in range(100))
        return Generation(Ask(prompt=prompt, max_tokens=2, seed=1, temperature=0.0), engine.model.tokenizer, heard)

    for number in range(2 * slots):
        engine.submit(ask(number))
    engine.start()
    assert enough.wait(60)
    engine.stop()
    ahead = [sum(other > number for other in ended[:place]) for place, number in enumerate(ended[: 20 * slots])]
    assert max(ahead) <= slots
    assert set(range(2 * slots)) <= set(ended[: 4 * slots])
