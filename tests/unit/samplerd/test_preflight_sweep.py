"""How the sweep spends its budget, what it does with failures, and what its report says."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samplerd.preflight import report as reports
from samplerd.preflight.baseline import differences
from samplerd.preflight.plan import _FIRST, every_batch, swept
from samplerd.preflight.prompts import Scored
from samplerd.preflight.report import Report, Subject
from samplerd.preflight.results import Case, Failure, Result, Shape, Smallest
from samplerd.preflight.sweep import Sweep

SUBJECT = Subject("r1", "m", 500, 64, "float32", (1, 2), "cpu", "x", 1, "0", "0", "f")


class Clock:
    """Time that passes only when a case says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def case(self, name: str, seconds: float, **options: Any) -> Case:
        failure = options.pop("failure", None)

        def run() -> Result:
            self.now += seconds
            return Result(10, failure)

        return Case(name, "g", run, **options)


def failure(case: str, kind: str = "other-token", wrong: int = 1) -> Failure:
    return Failure(case, kind, wrong, 10, {"row": 3})


def swept_by(clock: Clock, budget: float, *cases: Case) -> Sweep:
    sweep = Sweep(budget, clock)
    sweep.run(cases)
    return sweep


def names(sweep: Sweep) -> list[str]:
    return [outcome.case for outcome in sweep.outcomes]


def test_what_must_run_does_whatever_the_budget() -> None:
    clock = Clock()
    sweep = swept_by(
        clock, 1.0, clock.case("a", 50, required=True), clock.case("b", 50, required=True), clock.case("c", 1)
    )
    assert names(sweep) == ["a", "b"]
    assert sweep.not_run == ["c"]


def test_what_runs_is_a_prefix_of_the_plan_and_the_rest_is_named() -> None:
    clock = Clock()
    sweep = swept_by(clock, 10.0, *(clock.case(f"c{number}", seconds) for number, seconds in enumerate((3, 4, 1, 0.1))))
    assert names(sweep) == ["c0", "c1"], "7 s are gone and a case took 4: the third may not fit, so none after it runs"
    assert sweep.not_run == ["c2", "c3"]


def test_it_says_now_and_then_how_far_it_is() -> None:
    clock = Clock()
    told: list[str] = []
    sweep = Sweep(60.0, clock, told=told.append)
    sweep.run([clock.case("a", 4), clock.case("b", 7, failure=failure("b")), clock.case("c", 1)])
    assert told == ["preflight: 2 of at most 3 cases in 11 s (budget 60 s), 1 failed; last: b"]


def test_failures_come_worst_first_and_the_worst_that_can_be_is_shrunk() -> None:
    clock = Clock()
    asked: list[str] = []

    def shrinker(name: str) -> Callable[[Failure, Callable[[], bool]], Smallest | None]:
        def shrink(_failure: Failure, in_time: Callable[[], bool]) -> Smallest | None:
            asked.append(name)
            assert in_time()
            clock.now += 11
            assert not in_time()
            return Smallest(2, 17, 1)

        return shrink

    kinds = {"a": ("kept-set", 9), "b": ("best-dropped", 1), "c": ("best-dropped", 5), "d": ("crashed", 1)}
    cases = [
        clock.case(name, 1, failure=failure(name, kind, wrong), shrink=shrinker(name))
        for name, (kind, wrong) in kinds.items()
    ]
    sweep = swept_by(clock, 20.0, *cases)
    assert [each.case for each in sweep.failures] == ["d", "c", "b", "a"]
    assert asked == ["c"], "a crash has no rows to shrink"
    assert sweep.failures[1].smallest == Smallest(2, 17, 1)
    assert sweep.failures[1].sentence == "c: best-dropped in 5 of 10 rows; smallest: batch 2, vocabulary 17, top_k 1"


def test_the_worst_of_each_kind_is_shrunk_while_there_is_time() -> None:
    clock = Clock()
    asked: list[str] = []

    def shrinker(name: str) -> Callable[[Failure, Callable[[], bool]], Smallest | None]:
        def shrink(_failure: Failure, _in_time: Callable[[], bool]) -> Smallest | None:
            asked.append(name)
            clock.now += 6
            return Smallest(2, 17, 1)

        return shrink

    kinds = {"a": "best-dropped", "b": "best-dropped", "c": "other-token", "d": "kept-set"}
    sweep = swept_by(
        clock,
        20.0,
        *(clock.case(name, 1, failure=failure(name, kind), shrink=shrinker(name)) for name, kind in kinds.items()),
    )
    assert asked == ["a", "c"], "12 of 10 seconds are gone"
    assert [each.smallest is not None for each in sweep.failures] == [True, False, True, False]


def test_a_case_that_raises_has_failed_and_the_others_still_run() -> None:
    clock = Clock()

    def broken() -> Result:
        raise RuntimeError("no such\nkernel")

    sweep = swept_by(clock, 20.0, Case("a", "g", broken, required=True), clock.case("b", 1))
    assert names(sweep) == ["a", "b"]
    assert sweep.failures[0].kind == "crashed"
    assert sweep.failures[0].example == {"problem": "RuntimeError: no such"}


def test_a_search_for_a_smaller_shape_that_breaks_loses_no_failure() -> None:
    clock = Clock()

    def broken(_failure: Failure, _in_time: Callable[[], bool]) -> Smallest | None:
        raise MemoryError

    sweep = swept_by(clock, 20.0, clock.case("a", 1, failure=failure("a"), shrink=broken))
    assert sweep.failures == [failure("a")]


def test_the_plan_has_the_odd_sizes_with_every_type_alone_and_behind_a_dot() -> None:
    shapes = [*_FIRST, *swept()]
    assert len(set(shapes)) == len(shapes), "none twice"
    assert list(swept()) == list(swept())
    for dtype in ("float32", "bfloat16", "float16"):
        for head in (False, True):
            batches = {shape.batch for shape in shapes if (shape.dtype, shape.head) == (dtype, head)}
            assert {1, 2, 3, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513} <= batches
    assert {shape.vocabulary % 32 for shape in shapes} >= {0, 1, 31}
    assert any(shape.width > shape.vocabulary for shape in shapes)


def test_the_long_plan_has_every_batch_size_in_every_way() -> None:
    known, further = {*_FIRST, *swept()}, list(every_batch())
    assert not known & {*further}
    assert {shape.batch for shape in (*known, *further)} == set(range(1, 514))
    assert len({(shape.dtype, shape.head) for shape in further}) == 6
    assert {shape.batch > 256 for shape in further[:10]} == {True, False}, "a beginning has small ones and large ones"


def made(**values: Any) -> Report:
    standard: dict[str, Any] = {
        "subject": SUBJECT,
        "budget_seconds": 20.0,
        "seconds": 1.5,
        "outcomes": (),
        "not_run": ("x",),
        "failures": (),
        "digest": "sha256:00",
        "prompts": (Scored(0, (5, 6, 7), (-1.5, -2.5)), Scored(1, (8, 9), (-0.25,))),
    }
    return Report(**{**standard, **values})


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    report = made(failures=(failure("a"), Failure("b", "crashed", 1, 0, {}, Smallest(1, 2, None))))
    file = tmp_path / "preflight.json"
    file.write_text(report.as_json())
    assert reports.read(file) == report
    assert '"verdict": "failed"' in report.as_json()
    assert '"verdict": "passed"' in made().as_json()


def test_numbers_that_are_none_are_written_as_json_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "preflight.json"
    prompts = (Scored(0, (5, 6), (float("-inf"),)), Scored(1, (8, 9), (float("nan"),)))
    file.write_text(made(prompts=prompts).as_json())
    json.loads(file.read_text(), parse_constant=pytest.fail)
    lowest, none = reports.read(file).prompts
    assert lowest.logprobs == (float("-inf"),)
    assert math.isnan(none.logprobs[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no preflight report: it is no JSON; make one with samplerd preflight --json"),
        ("\xff", "no preflight report: it is no JSON; make"),
        ("[" * 100_000, "no preflight report: it is no JSON; make"),
        ("[]", "no preflight report: it is JSON of something else: there is no format in it; make"),
        ("{}", "no preflight report: it is JSON of something else: there is no format in it; make"),
        ('{"format": 2}', "a preflight report of format 2; this samplerd reads 1"),
        ('{"format": 1}', "no preflight report: subject: Field required; make"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_report_is_refused_with_the_files_name_and_in_words(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "preflight.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(reports.ReportError) as told:
        reports.read(file)
    assert str(told.value).startswith(f"{file}: {said}")


def test_a_search_that_was_cut_off_says_so_in_the_sentence_the_table_and_the_json() -> None:
    cut = Failure("b", "kept-set", 1, 10, {}, Smallest(4, 17, None, cut_off=True))
    assert cut.sentence.endswith("; smallest: batch 4, vocabulary 17 (search cut off by time)")
    report = made(failures=(cut,))
    assert cut.sentence in report.as_text()
    assert json.loads(report.as_json())["failures"][0]["smallest"]["cut_off"] is True


def test_a_baseline_is_compared_by_tokens_and_by_log_probabilities() -> None:
    assert differences(made(), made()) == []
    near = made(prompts=(Scored(0, (5, 6, 7), (-1.5005, -2.5)), Scored(1, (8, 9), (-0.25,))))
    assert differences(near, made()) == []
    far = made(prompts=(Scored(0, (5, 6, 7), (-1.5, -2.51)), Scored(1, (8, 9), (float("nan"),))))
    (found,) = differences(far, made())
    assert (found.kind, found.wrong, found.rows) == ("baseline-differs", 2, 3)
    assert found.example == {"prompt": 0, "token": 2, "logprob": -2.51, "baseline": -2.5}
    (digest,) = differences(made(digest="sha256:01"), made())
    assert digest.case == "baseline, token suite"


def test_another_models_baseline_and_none_at_all_are_differences() -> None:
    other = made(prompts=(Scored(0, (5, 6, 8), (-1.5, -2.5)), Scored(1, (8, 9), (-0.25,))))
    assert "other tokens" in str(differences(made(), other)[0].example)
    assert differences(made(), made(prompts=()))
    assert differences(made(prompts=()), made(prompts=()))


def test_the_verdict_names_the_worst_failure_and_what_was_not_run() -> None:
    good, bad = made(), made(failures=(failure("a"), failure("b")))
    assert good.sentence == "preflight passed: 0 cases, 1 not run"
    assert bad.sentence == "preflight failed: a: other-token in 1 of 10 rows (and 1 more)"
    assert "not run, as no further case fits into the budget of 20 s: x" in good.as_text()
    assert Shape(8, 1000, 1024, "bfloat16", devices=4).label == "bfloat16 8 x 1000 of 1024 over 4 devices"
    assert Shape(8, 9, 9, head=True, edited=True).label == "float32 8 x 9 behind a dot, with edits"
