"""What the sampler is asked before traffic: every nature of logits, everything a request may ask, in every program."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplerd import sampling
from samplerd.model import Model
from samplerd.preflight import conformance, plan
from samplerd.preflight import served as served_cases
from samplerd.preflight.asks import asks_of
from samplerd.preflight.material import NATURES, PARAMETERS, Asked, logits_of
from samplerd.preflight.results import Shape
from samplerd.preflight.samplers import Samplers
from samplerd.preflight.served import Served
from samplerd.program import Executables, TensorProgram, production_program
from samplerd.rows import Logprobs, Rows, Sampled
from samplerd.shards import shards_here

ALL_NUMBERS = range(len(NATURES) * len(PARAMETERS))


def nothing(logits: jax.Array, _rows: Rows) -> Sampled:
    """A sampler that takes no time to compile."""
    none = jnp.zeros(logits.shape[0], jnp.int32)
    return Sampled(none, none > 0, none, none, none.astype(jnp.float32), none > 0)


def with_sample(sample: Any) -> Any:
    return lambda _model: TensorProgram(sample=sample)


def logits_at(model: Model, shape: Shape, numbers: Sequence[int]) -> Any:
    logits, _ = Samplers(model, with_sample(nothing)).compiled(shape)(numbers, [Asked()] * shape.batch)
    return logits


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_logits_of_every_nature_come_out_of_a_dot(model: Model, dtype: str) -> None:
    rows = logits_at(model, Shape(len(ALL_NUMBERS), 130, 130, dtype, head=True), ALL_NUMBERS)
    sound = [row for row in rows if np.isfinite(row.max())]
    finite = [row for row in sound if np.isfinite(row).all()]
    assert any(0 < np.isinf(row).sum() < 129 for row in sound), "masked"
    assert any((row == 0).all() for row in finite), "zeros"
    assert any(0 < np.ptp(row) < 1 for row in finite), "flat"
    assert any(np.ptp(row) > 4 and len(np.unique(row)) < 20 for row in finite), "ties"
    assert any(np.sort(row)[-1] - np.sort(row)[-2] > 15 for row in finite), "peaked"
    assert any(row.max() < -900 for row in finite), "negative"
    assert any(row.max() == 0 and row.min() < -5 for row in finite), "long tails"
    assert any(np.isnan(row).sum() == (130 if dtype == "float16" else 1) for row in rows), "no number"
    assert any(np.isposinf(row).sum() == 1 for row in rows), "infinite"
    assert any(np.isneginf(row).all() for row in rows), "all masked"
    assert len({row.tobytes() for row in rows[::2]}) == len(rows[::2]), "every other one is noise of its own"


def test_one_row_at_a_time_draws_from_other_logits_each_time(model: Model) -> None:
    shape = Shape(1, 65, 65, "bfloat16", head=True)
    rows = {logits_at(model, shape, numbers).tobytes() for numbers in conformance.batches(1)}
    assert len(rows) > len(PARAMETERS)


def test_a_row_that_is_masked_throughout_comes_in_the_first_cases() -> None:
    masked = {number for number in ALL_NUMBERS if np.isneginf(logits_of(number, 40)).all()}
    assert masked
    numbers = {number for batch in conformance.batches(plan._FIRST[0].batch) for number in batch}
    assert masked & numbers


def test_edits_meet_every_type_alone_and_behind_a_dot_and_come_early() -> None:
    shapes = [*plan._FIRST, *plan.swept()]
    edited = [shape for shape in shapes if shape.edited]
    assert any(shape.edited for shape in plan._FIRST[:3])
    assert len({(shape.dtype, shape.head) for shape in edited}) == 6
    assert len(edited) > len(shapes) / 4
    for head in (False, True):
        assert len({shape.vocabulary for shape in edited if shape.head == head}) > 10


@pytest.mark.compiles
def test_a_sampler_that_forgets_the_edits_or_a_log_probability_is_seen(model: Model) -> None:
    def without_edits(logits: jax.Array, rows: Rows) -> Sampled:
        return sampling.sample(logits, rows._replace(edits=None))

    def without_a_number(logits: jax.Array, rows: Rows) -> Sampled:
        right = sampling.sample(logits, rows)
        return right._replace(logprobs=right.logprobs and right.logprobs._replace(token=right.logprobs.token * jnp.nan))

    shape = Shape(7, 33, 33, head=True, edited=True)

    def seen(sample: Any) -> str | None:
        failure = conformance.case(Samplers(model, with_sample(sample)), shape, "g").run().failure
        return None if failure is None else failure.kind

    assert seen(sampling.sample) is None
    assert seen(without_edits) in {"best-dropped", "outside-kept"}
    assert seen(without_a_number) == "logprobs-differ"


def test_no_log_probability_is_a_wrong_one() -> None:
    logits = np.zeros(40, np.float32)
    one, ids = np.zeros(1, np.int32), np.arange(20, dtype=np.int32)[None]
    yes, even = np.ones(1, np.bool_), np.full((1, 20), -np.log(40), np.float32)

    def judged(logprobs: Any) -> str | None:
        sampled: Any = Sampled(one, yes, one, one + 1, np.zeros(1, np.float32), yes, logprobs)  # type: ignore[arg-type]
        wrong = conformance.judged(logits, Asked(temperature=0.0, logprobs=True), sampled, 0)
        return None if wrong is None else wrong.kind

    right: Any = Logprobs(even[:, 0], ids, even)  # type: ignore[arg-type]
    assert judged(right) is None
    assert judged(right._replace(token=even[:, 0] * np.nan)) == "logprobs-differ"
    assert judged(right._replace(top=even * np.nan)) == "logprobs-differ"
    assert judged(None) == "logprobs-differ"


def test_a_log_probability_far_below_may_be_a_unit_in_the_last_place_off() -> None:
    """5,000 nats below, neighbouring float32 numbers stand 2^-11 apart: no sampler comes closer than that."""
    logits = np.full(20, -5000.0, np.float32)
    logits[0] = 0
    one, yes, ids = np.zeros(1, np.int32), np.ones(1, np.bool_), np.arange(20, dtype=np.int32)[None]

    def judged(units: int) -> str | None:
        top = logits[None] + np.float32(units) * np.spacing(np.float32(5000)) * (logits < 0)
        made: Any = Logprobs(np.zeros(1, np.float32), ids, top)  # type: ignore[arg-type]
        sampled: Any = Sampled(one, yes, one, one + 1, np.zeros(1, np.float32), yes, made)  # type: ignore[arg-type]
        wrong = conformance.judged(logits, Asked(temperature=0.0, logprobs=True), sampled, 0)
        return None if wrong is None else wrong.kind

    assert judged(0) is None
    assert judged(1) is None
    assert judged(5) == "logprobs-differ"


def test_every_combination_of_parameters_comes_at_every_batch_size(
    executables: Executables, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[int, set[tuple[float, int, float, float]]] = {}

    def recorded(model: Model, seen: Sequence[Sequence[int]], *, turn: int) -> Any:
        asks, rows = asks_of(model, seen, turn=turn)
        came = zip(*(np.asarray(each).tolist() for each in rows[:4]), strict=True)
        asked.setdefault(len(seen), set()).update(came)
        return asks, rows

    monkeypatch.setattr(served_cases, "asks_of", recorded)
    served = Served(executables, Samplers(model, production_program), "float32")
    for case in served.cases():
        if "serving step" in case.name:
            case.run()
    assert {size: len(came) for size, came in asked.items()} == dict.fromkeys((1, 2, 4), len(PARAMETERS))


def test_a_dot_over_several_devices_is_the_split_step(model: Model) -> None:
    parts: list[int] = []

    def sample(logits: jax.Array, rows: Rows) -> Sampled:
        parts.append(shards_here())
        return nothing(logits, rows)

    shape = Shape(2, 33, 33, head=True, devices=3)
    one = logits_at(model, Shape(2, 33, 33, head=True), (0, 3))
    logits, _ = Samplers(model, with_sample(sample)).compiled(shape)((0, 3), [Asked()] * 2)
    assert set(parts) == {3}
    np.testing.assert_allclose(logits, one, rtol=1e-5, atol=1e-5)


def test_the_logits_of_a_dot_have_no_padding() -> None:
    with pytest.raises(ValueError, match="make width the vocabulary"):
        Shape(2, 33, 40, head=True)
    with pytest.raises(ValueError, match="behind a dot"):
        conformance._smaller_vocabularies(Shape(2, 33, 40, "bfloat16", head=True))
