"""The sweep's cases: the honest program passes each, and each sees what it is there for."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samplerd import program as programs
from samplerd import sampling
from samplerd.model import Model
from samplerd.preflight import compile_cache, conformance, plan, suite
from samplerd.preflight.material import ALL_PARAMETERS, Asked
from samplerd.preflight.report import Report
from samplerd.preflight.results import Case, Failure, Result, Shape, Smallest
from samplerd.preflight.samplers import Run, Samplers
from samplerd.preflight.served import Served
from samplerd.preflight.suite import TokenSuite
from samplerd.preflight.sweep import Sweep, preflight
from samplerd.program import Executables, Step, TensorProgram, production_program
from samplerd.rows import Rows, Sampled
from samplerd.settings import Settings

SETTINGS = Settings(model="synthetic", revision="0123abcdef")
SMALL_BUDGET = 1e-9
"""What must run, and nothing else."""


@pytest.fixture(scope="module")
def honest(executables: Executables) -> Report:
    return preflight(executables, production_program, SETTINGS, SMALL_BUDGET)


def with_sample(sample: Any) -> Any:
    return lambda _model: TensorProgram(adjust_logits=lambda logits: logits, sample=sample)


def served_failures(executables: Any, model: Model) -> dict[str, Failure]:
    """The failures of the cases about the served program, by what they are about."""
    served = Served(executables, Samplers(model, production_program), "float32")
    results = {case.name.partition(", ")[2]: case.run() for case in served.cases()}
    return {name: result.failure for name, result in results.items() if result.failure}


def test_the_honest_program_passes_what_must_run(honest: Report) -> None:
    assert honest.passed, honest.as_text()
    assert [outcome.case for outcome in honest.outcomes] == [
        "synthetic, serving step at batch 4",
        "synthetic, serving step at batch 2",
        "synthetic, serving step at batch 1",
        "synthetic, logits, operation by operation",
        "synthetic, a prompt read in a chunk of 16",
        "synthetic, a prompt read in a chunk of 64",
        "token suite, float32 32 x 1003",
    ]
    assert all(outcome.required and outcome.rows > 0 for outcome in honest.outcomes)
    assert len(honest.not_run) > 100
    assert [len(scored.logprobs) for scored in honest.prompts] == [15] * 4
    assert all(value < 0 for scored in honest.prompts for value in scored.logprobs)
    assert honest.subject.revision == "0123abcdef"
    assert (honest.subject.vocab_shards, honest.subject.chunk_sizes) == (1, (16, 64))


def test_the_digest_is_the_oracles_and_no_draw_of_the_suite_is_close(honest: Report) -> None:
    digest, lead = suite.expected_digest()
    assert honest.digest == digest
    assert digest == "sha256:aa5fc31f0c150ef32fcf7877e955b2bc0a04162b5c17c8f61b448e14369240c1"
    assert lead > 2**-10


class Spoiled:
    """Executables whose steps come out changed."""

    def __init__(self, executables: Executables, spoil: Any) -> None:
        self._executables, self._spoil = executables, spoil
        self.model = executables.model
        self.batch_sizes, self.chunk_sizes = executables.batch_sizes, executables.chunk_sizes

    def step(self, tokens: Any, rows: Rows) -> Step:
        return self._spoil(self._executables.step(tokens, rows), tokens)  # type: ignore[no-any-return]

    def prefill(self, *arguments: Any) -> None:
        self._executables.prefill(*arguments)


def test_a_wrong_log_probability_is_seen(executables: Executables, model: Model) -> None:
    def spoil(step: Step, _tokens: Any) -> Step:
        assert step.logprobs is not None
        return replace(step, logprobs=step.logprobs._replace(token=step.logprobs.token + np.float32(0.001)))

    found = served_failures(Spoiled(executables, spoil), model)
    assert {failure.kind for failure in found.values()} == {"logprobs-differ"}


def test_logits_that_depend_on_the_batch_size_are_seen(executables: Executables, model: Model) -> None:
    def spoil(step: Step, tokens: Any) -> Step:
        return replace(step, logits=step.logits * np.float32(1.001)) if len(tokens) == 2 else step

    found = served_failures(Spoiled(executables, spoil), model)
    assert "logits-differ" in {failure.kind for failure in found.values()}
    assert "serving step at batch 2" in found


def test_a_prompt_that_is_read_wrongly_is_seen(executables: Executables, model: Model) -> None:
    class Shifted(Spoiled):
        def prefill(self, tokens: Any, start: int, slot: int) -> None:
            self._executables.prefill(np.roll(tokens, 1), start, slot)

    found = served_failures(Shifted(executables, lambda step, _tokens: step), model)
    assert set(found) == {"a prompt read in a chunk of 16", "a prompt read in a chunk of 64"}


def test_what_stands_between_model_and_sampler_is_seen(model: Model) -> None:
    lifted = TensorProgram(adjust_logits=lambda logits: logits.at[:, 400].add(3.0), sample=sampling.sample)
    found = served_failures(Executables(model, lifted, batch_sizes=(1,), chunk_sizes=(16,)), model)
    assert set(found) == {"logits, operation by operation"}
    assert found["logits, operation by operation"].example["token"] == 400


@pytest.mark.compiles
def test_a_wrong_sampler_is_shrunk_to_the_smallest_shape_that_fails(model: Model) -> None:
    def sample(logits: jax.Array, rows: Rows) -> Sampled:
        """Counts one token too many, in batches of three and more, with top-k from 2 on."""
        right = sampling.sample(logits, rows)
        wrong = (logits.shape[0] >= 3) & (rows.top_k > 1) & (rows.top_k < logits.shape[1])
        return right._replace(kept=right.kept + wrong)

    case = conformance.case(Samplers(model, with_sample(sample)), Shape(4, 9, 9), "shapes")
    failure = case.run().failure
    assert failure is not None
    assert failure.kind == "kept-set"
    assert case.shrink is not None
    assert case.shrink(failure, lambda: True) == Smallest(3, 3, 2)
    assert case.shrink(failure, lambda: False) == Smallest(4, 9, None, cut_off=True)


def test_a_search_of_the_served_step_that_gets_no_time_says_so(executables: Executables, model: Model) -> None:
    case = next(Served(executables, Samplers(model, production_program), "float32").cases())
    assert case.shrink is not None
    for kind, cut_off in (("kept-set", True), ("logits-differ", False)):
        found = case.shrink(Failure(case.name, kind, 1, 1, {}), lambda: False)
        assert found == Smallest(4, model.vocabulary, None, cut_off=cut_off)


@pytest.mark.long
def test_mixed_precision_behind_a_dot_is_seen_where_the_barrier_is_gone(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The incident of December 2024 itself: the compiler keeps the dot in float32 for the sampler alone."""
    shape = Shape(8, 515, 515, "bfloat16", head=True)
    samplers = Samplers(model, production_program)
    assert conformance.case(samplers, shape, "g").run().failure is None

    monkeypatch.setattr(programs, "lax", SimpleNamespace(optimization_barrier=lambda logits: logits))
    failure = conformance.case(Samplers(model, production_program), shape, "g").run().failure
    assert failure is not None
    assert failure.wrong > failure.rows / 4


@pytest.mark.compiles
def test_a_program_from_the_compile_cache_draws_the_same_and_the_cache_is_put_back(model: Model) -> None:
    before = jax.config.jax_compilation_cache_dir
    shape = Shape(2, 40, 40)
    case = compile_cache.cache_case(Samplers(model, production_program), shape)
    assert case.run() == Result(2)
    assert jax.config.jax_compilation_cache_dir == before
    calls = []

    class Fickle(Samplers):
        """What comes from the cache is another program."""

        def fresh(self, shape: Shape) -> Any:
            right = super().fresh(shape)
            calls.append(shape)
            if len(calls) == 1:
                return right

            def other(*given: Any) -> Any:
                logits, sampled = right(*given)
                return logits, sampled._replace(token=np.array([0, 77]))

            return other

    failure = compile_cache.cache_case(Fickle(model, production_program), shape).run().failure
    assert failure is not None
    assert failure.kind == "cache-differs"


def test_a_platform_without_a_compile_cache_is_told_apart_and_fails_nothing(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    class Uncached(Samplers):
        def fresh(self, shape: Shape) -> Run:
            return lambda numbers, asked: (np.zeros((2, 40), np.float32), greedy_of_level(2))

    case = compile_cache.cache_case(Uncached(model, production_program), Shape(2, 40, 40))
    sweep = Sweep(1.0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compile_cache, "asked_at", lambda _shape, numbers: [Asked(temperature=0.0) for _ in numbers])
        sweep.run([case])
    (outcome,) = sweep.outcomes
    assert (outcome.rows, outcome.wrong, sweep.failures) == (2, 0, [])
    assert "compiled twice" in outcome.note
    assert "compiled twice" in caplog.text


def greedy_of_level(rows: int) -> Sampled:
    """What greedy rows draw from logits that are all 0."""
    nothing, yes = np.zeros(rows, np.int32), np.ones(rows, np.bool_)
    return Sampled(nothing, yes, nothing, nothing + 1, nothing.astype(np.float32), yes)  # type: ignore[arg-type]


@pytest.mark.compiles
def test_a_program_that_is_as_wrong_when_it_comes_from_the_compile_cache_is_seen(model: Model) -> None:
    def sample(logits: jax.Array, rows: Rows) -> Sampled:
        right = sampling.sample(logits, rows)
        return right._replace(kept=right.kept + 1)

    failure = compile_cache.cache_case(Samplers(model, with_sample(sample)), Shape(2, 40, 40)).run().failure
    assert failure is not None
    assert (failure.kind, failure.wrong) == ("kept-set", 2)


@pytest.mark.compiles
def test_the_first_cases_of_the_plan_pass_and_the_long_plan_goes_on_where_it_ends(
    executables: Executables, model: Model
) -> None:
    samplers = Samplers(model, production_program)

    def planned(*, long: bool) -> list[Case]:
        served = Served(executables, samplers, "float32")
        return list(plan.cases(served, TokenSuite(samplers), samplers, long=long))

    short, long = planned(long=False), planned(long=True)
    assert len(short) > 150
    assert len(long) > 600
    assert [case.name for case in long[: len(short)]] == [case.name for case in short]
    assert len({case.name for case in long}) == len(long)
    for case in short[:2]:
        assert case.run().failure is None, case.name


@pytest.mark.long
def test_every_combination_of_parameters_is_right_and_a_wrong_one_is_seen(model: Model) -> None:
    shape = Shape(1000, 70, 70)
    assert conformance.parameters_case(Samplers(model, production_program), shape).run() == Result(len(ALL_PARAMETERS))

    def sample(logits: jax.Array, rows: Rows) -> Sampled:
        """Takes the off value of top-k that is larger than any vocabulary for 1."""
        return sampling.sample(logits, rows._replace(top_k=jnp.where(rows.top_k == 2**31 - 1, 1, rows.top_k)))

    failure = conformance.parameters_case(Samplers(model, with_sample(sample)), shape).run().failure
    assert failure is not None
    assert 0 < failure.wrong < len(ALL_PARAMETERS) / 15
    assert failure.example["top_k"] == 2**31 - 1
