"""What is believed of a pod's report, and what is made of two of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from sampler_rollouts.domain.preflight import ReportRefusedError, difference, read_report
from sampler_rollouts.domain.status import Status

from tests.support.scenarios.reports import FAILURE, report

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PROMPT = {"prompt": 0, "tokens": [5, 6, 7], "logprobs": [-3.0, -4.0]}


def read(body: bytes | dict[str, Any]) -> Any:
    made = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_report(made, "gpu", "r1", "pod", NOW)


def test_a_report_that_passed() -> None:
    result = read(report("r1"))
    assert (result.verdict, result.sentence) == ("Passed", "1 cases, 8 rows compared, none wrong")
    assert (result.model, result.platform, result.precision) == ("synthetic", "cpu", "float32")
    assert result.prompts[0].logprobs == [-3.0, -4.0]
    assert Status.load({"preflights": [result.model_dump(mode="json", by_alias=True)]}).preflights == [result]


def test_a_report_that_failed_names_the_worst_failure_and_its_smallest_shape() -> None:
    more = {**FAILURE, "smallest": None}
    result = read(report("r1", verdict="failed", failures=[FAILURE, more], digest=None, prompts=[]))
    assert result.verdict == "Failed"
    assert result.sentence == (
        "synthetic, serving step at batch 4: best-dropped in 3 of 8 rows; smallest failing shape: batch 2, "
        "vocabulary 17, top_k 1; and 1 more"
    )


def test_a_report_with_log_probabilities_that_are_no_numbers_failed_all_the_same() -> None:
    prompt = {**PROMPT, "logprobs": ["nan", -4.0]}
    assert read(report("r1", verdict="failed", failures=[FAILURE], prompts=[prompt])).verdict == "Failed"


WRONG: dict[str, dict[str, Any] | bytes] = {
    "no JSON": b"passed",
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "no number of JSON": json.dumps(report("r1")).replace("-4.0", "NaN").encode(),
    "a number without end": json.dumps(report("r1")).replace("-4.0", "1" * 5000).encode(),
    "another format": report("r1", format=2),
    "format true": report("r1", format=True),
    "another revision": report("r2"),
    "verdict of its own": report("r1", verdict="Passed"),
    "passed with a failure": report("r1", failures=[FAILURE]),
    "passed with wrong rows": report("r1", outcomes=[{"rows": 8, "wrong": 1}]),
    "failed without a failure": report("r1", verdict="failed"),
    "passed without a case": report("r1", outcomes=[]),
    "passed without a row": report("r1", outcomes=[{"rows": 0, "wrong": 0}]),
    "passed without a digest": report("r1", digest=None),
    "passed without prompts": report("r1", prompts=[]),
    "a digest of something": report("r1", digest="md5:0"),
    "a prompt twice": report("r1", prompts=[PROMPT, PROMPT]),
    "too few log-probabilities": report("r1", prompts=[{**PROMPT, "logprobs": [-3.0]}]),
    "none at all": report("r1", prompts=[{**PROMPT, "tokens": [5], "logprobs": []}]),
    "a probability above 1": report("r1", prompts=[{**PROMPT, "logprobs": [-3.0, 0.5]}]),
    "infinite": report("r1", prompts=[{**PROMPT, "logprobs": [-3.0, "-inf"]}]),
    "too many prompts": report("r1", prompts=[{**PROMPT, "prompt": number} for number in range(9)]),
    "too long a prompt": report("r1", prompts=[{**PROMPT, "tokens": [5] * 66, "logprobs": [-1.0] * 65}]),
    "rows below nothing": report("r1", outcomes=[{"rows": -8, "wrong": 0}]),
    "rows as text": report("r1", outcomes=[{"rows": "8", "wrong": 0}]),
    "a kind with blanks": report("r1", verdict="failed", failures=[{**FAILURE, "kind": "see http://x.example"}]),
    "no subject": {name: value for name, value in report("r1").items() if name != "subject"},
    "a precision nobody knows": report(
        "r1", subject={"revision": "r1", "model": "m", "platform": "cpu", "precision": "int4"}
    ),
    "a model of many lines": report(
        "r1", subject={"revision": "r1", "model": "m\nn", "platform": "cpu", "precision": "float32"}
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_believed_is_no_result(name: str) -> None:
    with pytest.raises(ReportRefusedError) as caught:
        read(WRONG[name])
    assert len(str(caught.value)) < 200


def test_nothing_of_a_pods_own_text_is_passed_on_but_printable_names_of_cases() -> None:
    failure = {**FAILURE, "case": "a\n\x1b[31m" + "b" * 900}
    said = read(report("r1", verdict="failed", failures=[failure], reason="the prompt was: secret")).sentence
    assert said.startswith("a??[31mbbb")
    assert len(said) < 250
    assert "secret" not in said


@given(st.binary(max_size=300) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_whatever_comes_is_a_result_or_refused(said: bytes | str) -> None:
    with pytest.raises(ReportRefusedError):
        read(said if isinstance(said, bytes) else said.encode())


def apart(**changes: Any) -> str:
    return difference(read(report("r1", **changes)), read(report("r1")), "stable's")


def test_equal_reports_do_not_differ() -> None:
    assert apart() == ""


def test_another_digest_differs_whatever_the_model() -> None:
    subject = {"revision": "r1", "model": "other", "platform": "tpu", "precision": "float32"}
    assert "token digest bbbb" in apart(digest="sha256:" + "b" * 64, subject=subject)


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        ([{**PROMPT, "logprobs": [-3.0, -4.0 - 2**-8]}], ""),
        ([{**PROMPT, "logprobs": [-3.0, -4.0 - 2**-7]}], "of token 2 of prompt 0 is -4.007812, stable's -4.000000"),
        ([{**PROMPT, "tokens": [5, 6, 8]}], "it reads prompt 0 as other tokens than stable's"),
        ([{**PROMPT, "prompt": 1}], "its fixed prompts are not stable's"),
        ([{**PROMPT, "logprobs": [-3.1, -5.0]}], "of token 2 of prompt 0 is -5.000000"),
    ],
)
def test_log_probabilities_agree_within_the_tolerance_and_the_furthest_is_told(prompts: Any, words: str) -> None:
    said = apart(prompts=prompts)
    assert words in said
    assert bool(said) == bool(words)


def test_another_models_log_probabilities_are_not_compared() -> None:
    subject = {"revision": "r1", "model": "other", "platform": "cpu", "precision": "float32"}
    assert apart(subject=subject, prompts=[{**PROMPT, "logprobs": [-9.0, -9.0]}]) == ""


def test_what_somebody_wrote_into_status_does_not_agree() -> None:
    one, other = read(report("r1")), read(report("r1"))
    one.prompts[0].nats = other.prompts[0].nats = "about 3"
    assert "token 1 of prompt 0" in difference(one, other, "stable's")
