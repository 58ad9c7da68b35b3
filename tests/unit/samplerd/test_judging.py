"""What the prober finds in answers: exact where it can be, by simulation where it is about chance."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import quality_contract as names
from prometheus_client import CollectorRegistry, generate_latest
from samplerd.probing.exams import GREEDY_PROMPTS, Examiner, Paper
from samplerd.probing.judging import LEAST_RATIO, Detector, Draw, has_broken_code
from samplerd.probing.settings import Owner, ProbeSettings, owner_of
from samplerd.probing.verdicts import Verdicts

NEW, STABLE = Owner("a", "1111111111"), Owner("a", "2222222222")
TARGETS = ("a/1111111111=new:9090", "a/2222222222=stable:9090")
LISTED = 6


def share_bad(tilt: float, *, scale: float = 1.0, keep_best: float = 1.0, answers: int = 2000, size: int = 30) -> float:
    """Of simulated answers over 12 words, drawn with p^(scale * tilt), the best one as rarely as ``keep_best`` says."""
    rng = np.random.default_rng(3)
    detector, bad = Detector(), 0
    for _ in range(answers):
        draws = []
        for _ in range(size):
            logprobs = np.log(rng.dirichlet(np.full(12, 0.4)) + 1e-9)
            weights = np.exp(logprobs * scale * tilt)
            weights[np.argmax(weights)] *= keep_best
            token = rng.choice(12, p=weights / weights.sum())
            listed = sorted(logprobs.tolist(), reverse=True)[:LISTED]
            draws.append(Draw(float(logprobs[token]), tuple(listed)))
        bad += bool(detector.is_unlikely(draws, scale))
    return bad / answers


@pytest.mark.long
@pytest.mark.parametrize("scale", [1.0, 1 / 0.6])
def test_right_samplers_answers_are_hardly_ever_bad(scale: float) -> None:
    assert share_bad(1.0, scale=scale) <= 3 / LEAST_RATIO


@pytest.mark.parametrize(
    ("wrong", "least"),
    [({"tilt": 0.6}, 0.03), ({"tilt": 0.4}, 0.1), ({"tilt": 2.5}, 0.2), ({"tilt": 1.0, "keep_best": 0.0}, 0.9)],
)
def test_wrong_draws_are_bad(wrong: dict[str, float], least: float) -> None:
    assert share_bad(**wrong, answers=60) > least


def test_drawn_token_in_the_place_of_the_last_listed_says_nothing() -> None:
    """As some servers list them: it would look as if a rare token came at each draw."""
    listed = (-0.5, -1.5, -2.5, -9.0)
    assert Detector().is_unlikely([Draw(-9.0, listed)] * 1000, 1.0) is None


@pytest.mark.parametrize("draw", [Draw(-1.0, ()), Draw(math.nan, (-1.0, -2.0)), Draw(-1.0, (math.inf, -1.0, -2.0))])
def test_what_cannot_be_read_says_nothing(draw: Draw) -> None:
    assert Detector().is_unlikely([draw], 1.0) is None


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("no code", None),
        ("```python\nprint(1)\n```", False),
        ("```python\nprint(1\n```", True),
        ('```json\n{"a": 1}\n```\nand\n```json\n{a: 1}\n```', True),
        ("```python\nprint(1", None),
        ("```rust\nfn main( {\n```", None),
    ],
)
def test_code(text: str, bad: bool | None) -> None:
    assert has_broken_code(text) is bad


def reply(text: str, **choice: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"content": text}, **choice}]}).encode()


def examiner() -> tuple[Examiner, Verdicts]:
    verdicts = Verdicts(filter(None, map(owner_of, TARGETS)), CollectorRegistry())
    return Examiner(TARGETS, verdicts, max_tokens=8), verdicts


def greedy(found: Examiner, target: str) -> Paper:
    while (paper := found.next(target)).temperature:
        pass
    return paper


def test_equality_is_with_the_last_named_of_a_pool_and_with_itself() -> None:
    found, verdicts = examiner()
    new, stable = TARGETS
    paper = greedy(found, new)
    found.ended(new, paper, "200", reply("one"))
    assert verdicts.of(NEW, names.CHECK_PROBE_EQUALITY) == (0, 0), "nobody knows yet what is right"
    found.ended(stable, paper, "200", reply("one"))
    assert verdicts.of(STABLE, names.CHECK_PROBE_EQUALITY) == (0, 0)
    for target, text in ((new, "one"), (new, "two"), (stable, "one"), (stable, "three")):
        found.ended(target, paper, "200", reply(text))
    assert verdicts.of(NEW, names.CHECK_PROBE_EQUALITY) == (2, 1)
    assert verdicts.of(STABLE, names.CHECK_PROBE_EQUALITY) == (2, 1)


def test_all_targets_get_the_same_greedy_prompts() -> None:
    found, _ = examiner()
    asked = [{greedy(found, target).prompt for _ in range(3 * GREEDY_PROMPTS)} for target in TARGETS]
    assert asked[0] == asked[1]
    assert len(asked[0]) <= GREEDY_PROMPTS


@pytest.mark.parametrize(
    ("outcome", "body", "counted"),
    [
        ("200", reply("fine"), (1, 0)),
        ("200", b"{}", (1, 1)),
        ("200", b"\xff", (1, 1)),
        ("200", reply("fine", logprobs={"content": [{"logprob": "x"}]}), (1, 1)),
        ("500", b"", (1, 1)),
        ("timeout", b"", (1, 1)),
        ("broken", b"", (1, 1)),
        ("429", b"", (0, 0)),
        ("503", b"", (0, 0)),
        ("400", b"", (0, 0)),
        ("unreachable", b"", (0, 0)),
        ("cut-off", b"", (0, 0)),
    ],
)
def test_what_counts_as_an_error(outcome: str, body: bytes, counted: tuple[int, int]) -> None:
    found, verdicts = examiner()
    found.ended(TARGETS[0], found.next(TARGETS[0]), outcome, body)
    assert verdicts.of(NEW, names.CHECK_PROBE_ERRORS) == counted


def test_strange_script_is_bad() -> None:
    found, verdicts = examiner()
    found.ended(TARGETS[0], found.next(TARGETS[0]), "200", reply("a bridge мост"))
    assert verdicts.of(NEW, names.CHECK_PROBE_SCRIPT) == (1, 1)


def test_counters_are_the_contracts_and_there_from_the_start() -> None:
    registry = CollectorRegistry()
    Verdicts([NEW], registry).count(NEW, names.CHECK_PROBE_CODE, bad=True)
    text = generate_latest(registry).decode()
    for name, check, value in (
        (names.CHECKED, names.CHECK_PROBE_CODE, 1.0),
        (names.BAD, names.CHECK_PROBE_CODE, 1.0),
        (names.BAD, names.CHECK_PROBE_SCRIPT, 0.0),
    ):
        line = f'{name}{{check="{check}",pool="a",revision="1111111111",route_hash="probe"}} {value}'
        assert line in text, text


@pytest.mark.parametrize(
    ("target", "said"), [("host:1", "each says whose pods"), ("A/b=host", "does not say"), ("a=host", "does not say")]
)
def test_judging_needs_to_know_whose_a_target_is(target: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ProbeSettings(target=(target,), judge=True)
