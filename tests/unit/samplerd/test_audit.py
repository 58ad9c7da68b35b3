"""What the replay audit compares with what, and which tokens it takes."""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from samplerd import engine as engine_module
from samplerd.audit import Audit
from samplerd.edit_list import Wishes
from samplerd.engine import Engine
from samplerd.generation import Ask, Generation
from samplerd.metrics import Metrics
from samplerd.program import Executables, Step

from tests.unit.samplerd.test_engine import Asked


def audit_of(engine: Engine, **ask: Any) -> tuple[float, Counter[str]]:
    """Tokens audited and mismatches by kind, of twelve requests."""
    metrics = Metrics()
    audit = Audit(metrics, share=1.0, capacity=10_000)
    engine.start([audit])
    for batch in range(4):
        asked = [Asked(engine, "the river", seed=10 * batch + n, max_tokens=12, **ask) for n in range(3)]
        for one in asked:
            one.end()
    engine.stop()
    audit.stop()
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    kinds: Counter[str] = Counter()
    for sample in samples:
        if sample.name == "sampler_audit_mismatch_total" and sample.value:
            kinds[sample.labels["kind"]] += int(sample.value)
    return sum(sample.value for sample in samples if sample.name == "sampler_audit_tokens_total"), kinds


ASKS = [
    {"min_p": 0.05, "wishes": Wishes(repetition_penalty=1.3, frequency_penalty=0.5, logit_bias=((300, 4.0),))},
    {"temperature": 0.0, "wishes": Wishes(allowed_ids=tuple(range(250, 330)), presence_penalty=1.0)},
    {"temperature": 0.0},
    {},
    {"top_k": 5},
    {"top_p": 0.9},
    {"temperature": 0.7, "top_k": 50, "top_p": 0.95},
]


@pytest.mark.parametrize("ask", ASKS, ids=str)
def test_an_honest_build_is_clean(engine: Engine, ask: dict[str, Any]) -> None:
    audited, kinds = audit_of(engine, **ask)
    assert audited >= 12
    assert not kinds


FAULTS: dict[str, Any] = {
    "temperature": 1.9,
    "seed": (7, 0),
    "position": 5,
    "top_k": 1,
}


@pytest.mark.parametrize("field", FAULTS)
def test_rows_that_do_not_say_what_the_request_asked_for_are_caught(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    fill = engine_module._fill_row

    def faulty(rows: Any, index: int, slot: Any) -> None:
        fill(rows, index, slot)
        getattr(rows, field)[index] = FAULTS[field]

    monkeypatch.setattr(engine_module, "_fill_row", faulty)
    audited, kinds = audit_of(engine, temperature=0.8, top_k=40)
    assert sum(kinds.values()) > 0.1 * audited


def step_of(model: Any, rows: int) -> tuple[Step, Mapping[int, Generation]]:
    ids = np.zeros(rows, np.int32)
    step = Step(
        token=ids,
        valid=np.ones(rows, np.bool_),
        best=ids,
        kept=ids + 1,
        threshold=np.ones(rows, np.float32),
        certified=np.ones(rows, np.bool_),
        logits=np.eye(rows, 16, dtype=np.float32),
    )
    ask = Ask(prompt=(1,), max_tokens=9, seed=1, temperature=0.0)
    return step, {row: Generation(ask, model.tokenizer, lambda event: None) for row in range(rows)}


def test_a_queue_that_is_nearly_full_takes_from_all_rows_alike(
    executables: Executables, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: Counter[int] = Counter()
    go = threading.Event()

    def slow(audit: Audit, sample: Any) -> None:
        go.wait(20)
        taken[int(sample.logits.argmax())] += 1

    monkeypatch.setattr(Audit, "_check", slow)
    for _ in range(60):
        go.clear()
        audit = Audit(Metrics(), share=1.0, capacity=1)
        audit.after_step(*step_of(executables.model, 8))
        go.set()
        audit.stop()
    assert set(taken) == set(range(8))
