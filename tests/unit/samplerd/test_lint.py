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
NARROW = ("bfloat16", "float16", "float8_e4m3fn", "float8_e5m2")


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


def rounded(logits: jax.Array) -> jax.Array:
    return lax.optimization_barrier(logits)


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
@pytest.mark.parametrize("dtype", NARROW)
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


@pytest.mark.parametrize("guard", [True, False])
def test_what_an_approx_top_k_chooses_is_rounded_if_what_it_is_given_is(guard: bool) -> None:
    def step(x: jax.Array, head: jax.Array) -> jax.Array:
        logits = rounded(x @ head) if guard else x @ head
        best, places = lax.approx_max_k(logits, 50)
        return wide(jnp.full_like(logits, -jnp.inf).at[jnp.arange(2)[:, None], places].set(best))

    assert rules(step, *DOT) == {"approx-top-k", *(() if guard else ("unguarded-conversion",))}


def test_a_product_after_the_barrier_is_unguarded_again() -> None:
    assert rules(lambda x, head: wide(lax.optimization_barrier(x @ head) * 2), *DOT) == {"unguarded-conversion"}


def test_logits_that_are_computed_in_blocks_are_logits_too() -> None:
    def blocks(x: jax.Array, head: jax.Array) -> jax.Array:
        return wide(jnp.einsum("bd,dnl->bnl", x, head))

    assert rules(blocks, (2, 64), (64, V // 30, 30)) == {"unguarded-conversion"}
    assert rules(blocks, (2, 64), (64, V // 30 - 1, 30)) == set()


def joined(x: jax.Array, head: jax.Array) -> jax.Array:
    return jnp.concatenate([x @ head[:, : V // 2], x @ head[:, V // 2 :]], axis=1)


def scanned(x: jax.Array, head: jax.Array) -> jax.Array:
    parts = head.reshape(64, 10, V // 10).transpose(1, 0, 2)
    _, logits = lax.scan(lambda carry, part: (carry, x @ part), 0, parts)
    return logits.transpose(1, 0, 2).reshape(2, V)


def written(x: jax.Array, head: jax.Array) -> jax.Array:
    return jnp.zeros((2, V), x.dtype).at[:, : V // 2].set(x @ head[:, : V // 2])


@pytest.mark.parametrize("pieces", [joined, scanned, written])
def test_logits_that_are_computed_in_pieces_are_logits_too(pieces: Callable[..., jax.Array]) -> None:
    for platform in exports.PLATFORMS:
        assert rules(lambda x, head: wide(pieces(x, head)), *DOT, platform=platform) == {"unguarded-conversion"}
    assert rules(lambda x, head: wide(lax.optimization_barrier(pieces(x, head))), *DOT) == set()
    assert "dot_general (test_lint.py:" in found(lambda x, head: wide(pieces(x, head)), *DOT)[0].problem


def test_one_token_of_logits_in_pieces_is_one_of_logits() -> None:
    assert rules(lambda x, head: wide(joined(x, head)[:, 5]), *DOT) == {"unguarded-conversion"}
    assert rules(lambda x, head: wide((x @ head[:, :100])[:, 5]), *DOT) == set()


def test_a_cache_that_a_small_piece_is_written_into_is_no_logits() -> None:
    def attended(x: jax.Array, head: jax.Array, cache: jax.Array) -> jax.Array:
        place = jnp.argmax(x[0])  # unknown when traced
        rows = cache.at[jnp.arange(2), place].set(x @ head)
        return wide(lax.dynamic_update_slice(rows, (x @ head)[:, None], (0, place, 0)))

    assert rules(attended, (2, 64), (64, 32), (2, V + 1, 32)) == set()


def test_numbers_that_are_repeated_for_every_token_and_constants_are_no_logits() -> None:
    def masked(x: jax.Array, head: jax.Array) -> jax.Array:
        logits = rounded(x @ head)
        return wide(jnp.where(logits > 0, logits, jnp.sum(x * 2, axis=1, keepdims=True)))

    def padded(x: jax.Array, head: jax.Array) -> jax.Array:
        return wide(lax.pad(rounded(x @ head), jnp.sum(x * 2), ((0, 0, 0), (0, 72, 0))))

    def below_all(x: jax.Array, head: jax.Array) -> jax.Array:
        least = jnp.full((2, V), -jnp.inf, jnp.float32).astype(x.dtype)
        return wide(lax.cummax(jnp.where(head[0] > 0, rounded(x @ head), least), axis=1))

    assert rules(masked, *DOT) == rules(padded, *DOT) == rules(below_all, *DOT) == set()
    assert rules(lambda x, head: wide(jnp.broadcast_to((x @ head)[:, :1], (2, V))), *DOT) == {"unguarded-conversion"}


COMPARED: dict[str, Callable[[jax.Array], Any]] = {
    "best or not": lambda logits: logits >= jnp.max(logits, axis=1, keepdims=True),
    "argmax": lambda logits: jnp.argmax(logits, axis=1),
    "argmax beside a guarded reader": lambda logits: (jnp.argmax(logits, axis=1), wide(rounded(logits))),
    "top-k": lambda logits: lax.top_k(logits, 5)[1],
    "sort": lambda logits: jnp.sort(lax.slice(logits, (0, 0), (2, 40))),
}


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("dtype", NARROW)
def test_an_unguarded_comparison_is_found(name: str, dtype: str) -> None:
    compared = COMPARED[name]
    assert rules(lambda x, head: compared(x @ head), *DOT, dtype=dtype) == {"unguarded-comparison"}
    assert rules(lambda x, head: compared(joined(x, head)), *DOT, dtype=dtype) == {"unguarded-comparison"}
    assert rules(lambda x, head: compared(rounded(x @ head)), *DOT, dtype=dtype) == set()


def test_comparisons_of_stored_float32_and_small_numbers_and_the_question_for_nan_need_no_guard() -> None:
    compared = COMPARED["best or not"]
    assert rules(compared, *LOGITS) == set()
    assert rules(lambda x, head: compared(x @ head), *DOT, dtype="float32") == set()
    assert rules(lambda x, head: compared(x @ head), (2, 64), (64, V - 1)) == set()
    assert rules(lambda x, head: jnp.isnan(x @ head), *DOT) == set()


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [("bfloat16", (8, 7)), ("float16", (5, 10)), ("float8_e4m3fn", (4, 3)), ("float8_e5m2", (5, 2))],
)
def test_a_rounding_to_more_bits_than_the_type_has_guards_nothing(dtype: str, bits: tuple[int, int]) -> None:
    def read(exponent: int, mantissa: int) -> set[str]:
        return rules(lambda x, head: wide(lax.reduce_precision(x @ head, exponent, mantissa)), *DOT, dtype=dtype)

    exponent, mantissa = bits
    assert read(exponent, mantissa) == read(exponent, mantissa - 1) == set()
    assert read(exponent, mantissa + 1) == read(exponent + 1, mantissa) == read(8, 23) == {"unguarded-conversion"}


def test_a_conversion_that_loses_nothing_hands_numbers_on() -> None:
    def through_bfloat16(values: jax.Array) -> jax.Array:
        return wide(values.astype(jnp.bfloat16))

    assert rules(through_bfloat16, *LOGITS, dtype="float8_e4m3fn") == set(), "stored"
    (finding,) = found(lambda x, head: through_bfloat16(x @ head), *DOT, dtype="float8_e4m3fn")
    assert "dot_general" in finding.problem
    (finding,) = found(through_bfloat16, *LOGITS, dtype="float16")
    assert "stablehlo.convert" in finding.problem, "this one rounds"


def test_stored_numbers_float32_and_what_is_no_vocabulary_need_no_guard() -> None:
    assert rules(wide, *LOGITS) == set()
    assert rules(lambda x, head: wide(x @ head), *DOT, dtype="float32") == set()
    assert rules(lambda x, head: wide(x @ head), (2, 64), (64, V - 1)) == set()


def every_token(step: Callable[[jax.Array, jax.Array], Any]) -> Callable[[jax.Array], Any]:
    """A running sum written out as a scan over the vocabulary."""
    return lambda x: lax.scan(step, jnp.zeros(2, x.dtype), x.T)


SUMS: dict[str, Callable[[jax.Array], Any]] = {
    "cumsum": lambda x: jnp.cumsum(x, axis=1),
    "reversed": lambda x: lax.cumsum(x, axis=1, reverse=True),
    "reduce": lambda x: lax.reduce(x, jnp.zeros((), x.dtype), lax.add, (1,)),
    "matrix of ones": lambda x: x @ jnp.ones((V, 1), x.dtype),
    "triangle": lambda x: jnp.einsum("vw,bv->bw", jnp.triu(jnp.ones((V, V), x.dtype)), x),
    "scan": every_token(lambda total, token: (total + token, total + token)),
    "scan the other way round": every_token(lambda total, token: (token + total, None)),
    "loop": lambda x: lax.fori_loop(0, V, lambda i, total: total + x[:, i], jnp.zeros(2, x.dtype)),
    "scan behind a barrier": lambda x: SUMS["scan"](rounded(x * 2)),
}


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("dtype", NARROW)
def test_sums_in_narrow_types_are_found(name: str, dtype: str) -> None:
    assert rules(SUMS[name], *LOGITS, dtype=dtype) == {"narrow-sum"}


@pytest.mark.parametrize("name", SUMS)
def test_sums_in_float32_are_not(name: str) -> None:
    assert rules(SUMS[name], *LOGITS, dtype="float32") == set()


def test_maxima_and_what_adds_up_no_vocabulary_are_not() -> None:
    assert rules(lambda x: (jnp.max(x, axis=1), lax.cummax(x, axis=1)), *LOGITS) == set()
    assert rules(every_token(lambda best, token: (jnp.maximum(best, token), best + token)), *LOGITS) == set()
    ones = jnp.ones((V, 1), jnp.bfloat16)
    assert rules(lambda x: lax.dot(x, ones, preferred_element_type=jnp.float32), *LOGITS) == set()
    assert rules(lambda x: x[:, :40] @ ones[:40], *LOGITS) == set()
    units = jnp.tile(jnp.eye(10, dtype=jnp.bfloat16), (3, 1))
    assert rules(lambda x: x.reshape(2, -1, 30) @ units, *LOGITS) == set(), "three parts of each number"


def test_a_models_layers_and_its_table_of_tokens_are_no_sums() -> None:
    def layers(x: jax.Array, heads: jax.Array, biases: jax.Array) -> jax.Array:
        step = lambda state, layer: (state + jnp.tanh(state @ layer[0] + layer[1]), None)  # noqa: E731
        return lax.scan(step, x, (heads, biases))[0]

    def embedded(tokens: jax.Array, embeddings: jax.Array) -> jax.Array:
        return jax.nn.one_hot(tokens[0].astype(jnp.int32), V, dtype=embeddings.dtype) @ embeddings

    assert rules(layers, (2, 64), (100, 64, 64), (100, 64)) == set()
    assert rules(embedded, (1, 4), (V, 64)) == set()


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


def test_the_head_is_read_at_the_largest_batch_in_whatever_order_they_are_given(model: Model) -> None:
    names = [subject.name for subject in exports.subjects(model, production_program, (2, 4, 1))]
    assert names[3:] == ["bfloat16 head, batch 4", "float16 head, batch 4"]


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
