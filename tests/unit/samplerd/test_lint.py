"""Each rule finds what it is for, on programs made for it, and nothing in the program that serves."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import export, lax
from jax.sharding import AbstractMesh, AxisType, NamedSharding, PartitionSpec
from samplerd import program as programs
from samplerd import sampling
from samplerd.lint import exports
from samplerd.lint import report as reports
from samplerd.lint.report import Found, LintReport, run_lint
from samplerd.lint.rules import Finding, Scope, findings
from samplerd.lint.stablehlo import Program
from samplerd.model import Model
from samplerd.program import TensorProgram, production_program
from samplerd.shards import AXIS, shards_here

V = 3000
LOGITS = ((2, V),)
DOT = ((2, 64), (64, V))


def found(
    function: Callable[..., Any], *shapes: tuple[int, ...], dtype: str = "bfloat16", platform: str = "tpu"
) -> Any:
    arguments = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    exported = export.export(jax.jit(function), platforms=[platform])(*arguments)
    return findings(Program(exported.mlir_module_serialized), Scope(V, 2))


def rules(function: Callable[..., Any], *shapes: tuple[int, ...], **options: str) -> set[str]:
    return {finding.rule for finding in found(function, *shapes, **options)}


def wide(values: jax.Array) -> jax.Array:
    return values.astype(jnp.float32)


@pytest.mark.parametrize("platform", exports.PLATFORMS)
def test_an_approx_top_k_is_found_on_every_platform_also_where_it_is_exact(platform: str) -> None:
    (finding,) = found(lambda logits: lax.approx_max_k(logits, 50), *LOGITS, platform=platform)
    assert (finding.rule, finding.operation) == ("approx-top-k", "stablehlo.custom_call")
    assert finding.place.startswith("test_lint.py:")
    assert rules(lambda logits: lax.top_k(logits, 50), *LOGITS, platform=platform) == set()


def test_one_that_only_a_tpu_runs_is_found_there() -> None:
    def chosen(logits: jax.Array) -> Any:
        approx: Callable[[jax.Array], jax.Array] = lambda x: lax.approx_max_k(x, 5)[0]  # noqa: E731
        return lax.platform_dependent(logits, tpu=approx, default=lambda x: lax.top_k(x, 5)[0])

    assert rules(chosen, *LOGITS) == {"approx-top-k"}
    assert rules(chosen, *LOGITS, platform="cuda") == set()


@pytest.mark.parametrize(
    "sorting",
    [jnp.sort, jnp.argsort, lambda x: lax.top_k(x, V), lambda x: lax.top_k(x, 1025)],
    ids=["sort", "argsort", "whole top-k", "large top-k"],
)
def test_sorts_over_the_vocabulary_are_found(sorting: Callable[[jax.Array], Any]) -> None:
    assert rules(sorting, *LOGITS, dtype="float32") == {"vocabulary-sort"}


def test_sorts_of_candidates_are_not() -> None:
    assert rules(lambda x: jnp.sort(lax.top_k(x, 64)[1]), *LOGITS, dtype="float32") == set()


def test_a_small_vocabulary_is_not_sorted_either() -> None:
    exported = export.export(jax.jit(jnp.sort), platforms=["tpu"])(jax.ShapeDtypeStruct((2, 40), "float32"))
    program = Program(exported.mlir_module_serialized)
    assert [finding.rule for finding in findings(program, Scope(40, 2))] == ["vocabulary-sort"]
    assert findings(program, Scope(41, 2)) == []


def in_a_branch(logits: jax.Array) -> jax.Array:
    return lax.cond(logits[0, 0] > 0, lambda: wide(logits), lambda: jnp.zeros(logits.shape, jnp.float32))  # type: ignore[no-any-return]


def in_a_loop(logits: jax.Array) -> jax.Array:
    _, last = lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * 2), (0, logits))
    return wide(last)


@jax.jit
def in_a_function(logits: jax.Array) -> jax.Array:
    return wide(jnp.where(logits > 3, logits, -jnp.inf))


READERS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "plain": wide,
    "branch": in_a_branch,
    "loop": in_a_loop,
    "function": in_a_function,
    "maximum": lambda logits: wide(jnp.max(logits, axis=1)),
    "gathered": lambda logits: wide(jnp.take_along_axis(logits, jnp.array([[1], [2]]), axis=1)),
    "blocks": lambda logits: wide(logits.reshape(2, -1, 30).max(axis=2)),
    "top-k": lambda logits: wide(lax.top_k(logits, 5)[0]),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_an_unguarded_conversion_after_a_dot_is_found_wherever_it_is_read(name: str, dtype: str) -> None:
    read = READERS[name]
    (first, *_) = found(lambda x, head: read(x @ head), *DOT, dtype=dtype)
    assert first.rule == "unguarded-conversion"
    assert "dot_general (test_lint.py:" in first.problem or name == "loop"


@pytest.mark.parametrize("name", sorted(set(READERS) - {"loop"}))
def test_a_barrier_or_a_rounding_guards_it(name: str) -> None:
    read = READERS[name]
    assert rules(lambda x, head: read(lax.optimization_barrier(x @ head)), *DOT) == set()
    assert rules(lambda x, head: read(lax.reduce_precision(x @ head, 8, 7)), *DOT) == set()


def test_a_product_after_the_barrier_is_unguarded_again() -> None:
    assert rules(lambda x, head: wide(lax.optimization_barrier(x @ head) * 2), *DOT) == {"unguarded-conversion"}


def test_logits_that_are_computed_in_blocks_are_logits_too() -> None:
    def blocks(x: jax.Array, head: jax.Array) -> jax.Array:
        return wide(jnp.einsum("bd,dnl->bnl", x, head))

    assert rules(blocks, (2, 64), (64, V // 30, 30)) == {"unguarded-conversion"}
    assert rules(blocks, (2, 64), (64, V // 30 - 1, 30)) == set()


def test_stored_numbers_float32_and_what_is_no_vocabulary_need_no_guard() -> None:
    assert rules(wide, *LOGITS) == set()
    assert rules(lambda x, head: wide(x @ head), *DOT, dtype="float32") == set()
    assert rules(lambda x, head: wide(x @ head), (2, 64), (64, V - 1)) == set()


@pytest.mark.parametrize(
    "summing",
    [
        lambda x: jnp.cumsum(x, axis=1),
        lambda x: lax.cumsum(x, axis=1, reverse=True),
        lambda x: lax.reduce(x, jnp.bfloat16(0), lax.add, (1,)),
    ],
    ids=["cumsum", "reversed", "reduce"],
)
def test_sums_in_bfloat16_are_found(summing: Callable[[jax.Array], Any]) -> None:
    assert rules(summing, *LOGITS) == {"narrow-sum"}


def test_sums_in_float32_and_maxima_are_not() -> None:
    assert rules(lambda x: jnp.cumsum(x, axis=1), *LOGITS, dtype="float32") == set()
    assert rules(lambda x: (jnp.max(x, axis=1), lax.cummax(x, axis=1)), *LOGITS) == set()


SHARDS = 4
PART = V // SHARDS


def found_over_devices(per_part: Callable[[jax.Array], Any], *, dtype: str = "bfloat16") -> set[str]:
    """What is found where logits that a dot has made are split, and each device does something with its part."""

    def step(x: jax.Array, head: jax.Array) -> Any:
        columns = PartitionSpec(None, AXIS)
        return jax.shard_map(per_part, in_specs=columns, out_specs=columns, check_vma=False)(x @ head)

    return found_split(step, dtype=dtype)


def found_split(step: Callable[[jax.Array, jax.Array], Any], *, dtype: str = "bfloat16") -> set[str]:
    """What is found in a program that was traced over devices that are not here."""
    mesh = AbstractMesh((SHARDS,), (AXIS,), axis_types=(AxisType.Auto,))
    x, head = (
        jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, PartitionSpec(None, axis)))
        for shape, axis in zip(DOT, (None, AXIS), strict=True)
    )
    with jax.sharding.use_abstract_mesh(mesh):
        exported = export.export(jax.jit(step), platforms=["cuda"])(x, head)
    return {finding.rule for finding in findings(Program(exported.mlir_module_serialized), Scope(V, 2, SHARDS))}


def rounded(logits: jax.Array) -> jax.Array:
    return lax.optimization_barrier(logits)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (jnp.sort, "vocabulary-sort"),
        (lambda part: lax.approx_max_k(part, 50), "approx-top-k"),
        (lambda part: jnp.cumsum(part, axis=1), "narrow-sum"),
        (lambda part: lax.psum(part[:, 0], AXIS)[:, None], "narrow-sum"),
        (wide, "unguarded-conversion"),
        (lambda part: wide(lax.pmax(jnp.max(part, axis=1, keepdims=True), AXIS)), "unguarded-conversion"),
        (lambda part: lax.all_gather(part, AXIS, axis=1, tiled=True), "gathered-logits"),
        (lambda part: lax.all_gather(lax.top_k(part, 65)[0], AXIS, axis=1), "vocabulary-sort"),
        (lambda part: lax.psum(part.astype(jnp.int32), AXIS), "gathered-logits"),
        (lambda part: lax.ppermute(part, AXIS, [(0, 1), (1, 0)]), "gathered-logits"),
    ],
    ids=["sort", "approximate", "cumsum", "psum", "conversion", "reduced", "gather", "65 of each", "sum", "permute"],
)
def test_a_fault_in_the_part_of_one_device_is_found(fault: Callable[[jax.Array], Any], rule: str) -> None:
    assert rule in found_over_devices(fault)


def test_a_guarded_part_that_hands_on_candidates_and_integers_is_clean() -> None:
    def honest(part: jax.Array) -> Any:
        values = wide(rounded(part))
        best, _ = lax.top_k(values, 64)
        merged, _ = lax.top_k(lax.all_gather(best, AXIS, axis=1, tiled=True), 64)
        above = lax.psum(jnp.sum(values > 0, axis=1), AXIS)
        return merged, above[:, None] + lax.pmax(jnp.max(values, axis=1, keepdims=True), AXIS)

    assert found_over_devices(honest) == set()


def on_every_device(x: jax.Array, head: jax.Array) -> jax.Array:
    return lax.with_sharding_constraint(x @ head, PartitionSpec())


def given_to_every_device(x: jax.Array, head: jax.Array) -> Any:
    columns = PartitionSpec()
    return jax.shard_map(rounded, in_specs=columns, out_specs=columns, check_vma=False)(x @ head)


@jax.jit
def left_to_the_compiler(x: jax.Array, head: jax.Array) -> Any:
    return lax.top_k(rounded(x @ head), 5)


@pytest.mark.parametrize("fault", [on_every_device, given_to_every_device, left_to_the_compiler])
def test_logits_that_every_device_gets_are_found(fault: Callable[[jax.Array, jax.Array], Any]) -> None:
    assert found_split(fault) == {"gathered-logits"}


@pytest.mark.compiles
def test_the_serving_program_is_clean_for_every_platform_and_type(model: Model) -> None:
    report = run_lint(model, production_program, (2,), vocab_shards=2)
    assert report.passed, report.as_text()
    one_device = ("synthetic, batch 2", "bfloat16 head, batch 2", "float16 head, batch 2")
    assert report.programs == (*one_device, *(f"{name}, over 2 devices" for name in one_device))
    assert report.platforms == ("tpu", "cuda", "cpu")
    assert report.operations > 6 * 3 * 1000, "both whole steps were read"


def gathering(logits: jax.Array, rows: Any) -> Any:
    """Every device draws from all logits: the right tokens, at the price of what the split was to spare."""
    if shards_here() > 1:
        logits = lax.with_sharding_constraint(logits, PartitionSpec())
    return sampling.sample(logits, rows)


def halved(logits: jax.Array, rows: Any) -> Any:
    """Reads what was computed in the head's type after the barrier, in the split program alone."""
    return sampling.sample(logits * jnp.asarray(0.5, logits.dtype) if shards_here() > 1 else logits, rows)


@pytest.mark.parametrize(
    ("sample", "head", "rule"), [(gathering, (), "gathered-logits"), (halved, ("bfloat16",), "unguarded-conversion")]
)
def test_a_fault_of_the_split_step_alone_is_told(
    model: Model, monkeypatch: pytest.MonkeyPatch, sample: Any, head: tuple[str, ...], rule: str
) -> None:
    monkeypatch.setattr(reports, "PLATFORMS", ("tpu",))
    monkeypatch.setattr(exports, "HEAD_TYPES", head)
    faulty = TensorProgram(sample=sample)
    report = run_lint(model, lambda _: faulty, (1,), vocab_shards=3)
    assert {each.finding.rule for each in report.found} == {rule}
    assert {each.program for each in report.found} <= {
        "synthetic, batch 1, over 3 devices",
        "bfloat16 head, batch 1, over 3 devices",
    }


@pytest.fixture
def one_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """One program for one platform: exporting is what costs."""
    monkeypatch.setattr(reports, "PLATFORMS", ("cuda",))
    monkeypatch.setattr(exports, "HEAD_TYPES", ())


@pytest.mark.usefixtures("one_platform")
def test_a_sort_in_the_program_is_told_with_its_line(model: Model) -> None:
    def sample(logits: jax.Array, rows: Any) -> Any:
        return sampling.sample(jnp.sort(logits), rows)

    report = run_lint(model, lambda _: TensorProgram(lambda logits: logits, sample), (1,))
    assert not report.passed
    assert {each.finding.rule for each in report.found} == {"vocabulary-sort"}
    assert all(each.platforms == report.platforms for each in report.found)
    assert {each.finding.place.partition(":")[0] for each in report.found} <= {"test_lint.py", ""}
    assert '"passed": false' in report.as_json()
    assert "vocabulary-sort  synthetic, batch 1" in report.as_text()


def test_the_table_has_a_place_once_whatever_the_number_of_its_programs() -> None:
    sort, sum_ = (Finding(rule, "op", f"a.py:{line}", "is wrong") for rule, line in (("sort", 1), ("sum", 2)))
    programs = tuple(f"batch {size}" for size in (1, 2, 4, 8))
    found = [Found(program, ("tpu", "cpu"), sort) for program in programs]
    found += [Found(program, ("cpu",), sum_) for program in programs[1:]]
    report = LintReport(programs, ("tpu", "cpu"), 9, tuple(found), 0.1)
    assert report.as_text().splitlines()[1:] == [
        "RULE  PROGRAMS               PLATFORMS  WHERE   WHAT",
        "sort  all 4                  tpu,cpu    a.py:1  op is wrong",
        "sum   3 of 4, first batch 2  cpu        a.py:2  op is wrong",
        "failed: 2 findings in 4 of 4 programs (7 in --json: each program's)",
    ]
    assert len(json.loads(report.as_json())["found"]) == 7
    few = LintReport(programs, ("tpu", "cpu"), 9, tuple(found[-2:]), 0.1)
    assert few.as_text().splitlines()[2:] == [
        "sum   batch 4; batch 8  cpu        a.py:2  op is wrong",
        "failed: 1 finding in 2 of 4 programs (2 in --json: each program's)",
    ]


@pytest.mark.long
@pytest.mark.parametrize("guarded", [True, False])
def test_the_barrier_before_the_sampler_is_what_makes_it_clean(
    model: Model, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    monkeypatch.setattr(reports, "PLATFORMS", ("cuda",))
    monkeypatch.setattr(exports, "HEAD_TYPES", ("bfloat16",))
    if not guarded:
        monkeypatch.setattr(programs, "lax", SimpleNamespace(optimization_barrier=lambda logits: logits))
    report = run_lint(model, production_program, (1,))
    assert {each.finding.rule for each in report.found} == (set() if guarded else {"unguarded-conversion"})
    assert {each.program for each in report.found} <= {"bfloat16 head, batch 1"}


@pytest.mark.usefixtures("one_platform")
def test_a_program_that_cannot_be_exported_is_a_finding(model: Model) -> None:
    def sample(logits: jax.Array, rows: Any) -> Any:
        raise TypeError("no such operation\nthere")

    report = run_lint(model, lambda _: TensorProgram(lambda logits: logits, sample), (1,))
    assert {each.finding for each in report.found} == {
        Finding("export", "jax.export", "", "refused: no such operation")
    }
