"""A recording made up for tests: the shapes of a real one, with numbers that nobody measured."""

from __future__ import annotations

import math
import random

from local.demo.recording import (
    Agreement,
    CheckPoint,
    ConditionPoint,
    EventPoint,
    Pair,
    PoolAnswer,
    PoolPoint,
    Recording,
    ReleaseRecord,
    ResourceRow,
    StatusPoint,
    TrafficBucket,
    TrafficSummary,
)

START = 1_800_000_000.0
POOLS = ("narrow", "wide")
CHECKS = ("errors", "unexpected-script", "replay-audit")
TURNS = {1: (0, 60), 2: (60, 300), 3: (300, 390), 4: (390, 460)}
TITLES = {1: "the first", 2: "a good new build", 3: "rare-token boost", 4: "approximate top-k"}
BAD_CHECK = {3: "unexpected-script", 4: "replay-audit"}
THRESHOLD = math.log(1200)


def condition(kind: str, status: str = "True", reason: str = "Made", generation: int = 1) -> ConditionPoint:
    return ConditionPoint(type=kind, status=status, reason=reason, observed_generation=generation)


def conditions(number: int, done: bool) -> list[ConditionPoint]:
    if not done:
        return [condition("Reconciling", generation=number), condition("Ready", "False", generation=number)]
    if number in BAD_CHECK:
        return [
            condition("Ready", "False", "RolledBack", number),
            condition("Stalled", "True", "RolledBack", number),
            condition("RolledBack", "True", "RolledBack", number),
        ]
    return [condition("Ready", generation=number), condition("Verified", generation=number)]


def revisions(number: int) -> dict[str, str]:
    return {pool: f"{number}{index}" * 5 for index, pool in enumerate(POOLS)}


def statuses(number: int) -> list[StatusPoint]:
    begin, end = TURNS[number]
    found = []
    for at in range(begin, end + 1, 2):
        age, left = at - begin, end - at
        done = left < (30 if number not in BAD_CHECK else 16)
        serving = age >= 20 and not (number in BAD_CHECK and done)
        weight = 0 if not serving else (100 if done and number not in BAD_CHECK else 50)
        observed = 0.0 if not serving else min(weight, 30.0 + 20 * min(1, (age - 20) / 20)) if weight < 100 else 100.0
        found.append(
            StatusPoint(
                at=START + at,
                generation=number,
                observed_generation=number,
                conditions=conditions(number, done),
                pools=[
                    PoolPoint(
                        name=p,
                        revision=revisions(number)[p],
                        wanted=weight,
                        observed=observed,
                        candidate_ready=None if done else int(serving),
                        stable_ready=2 - int(serving and not done),
                        checked=age,
                    )
                    for p in POOLS
                ],
                stable=revisions(number if number < 3 and done else min(max(1, number - 1), 2)),
                candidate={} if done else revisions(number),
            )
        )
    return found


def evidence(number: int) -> list[CheckPoint]:
    begin, end = TURNS[number]
    rng, found = random.Random(number), []
    for check in CHECKS:
        for pool in POOLS:
            checked, bad, log_e = 0, 0, 0.0
            for at in range(begin + 22, end - 16, 2):
                wrong = BAD_CHECK.get(number) == check
                more = rng.choice((1, 2))
                checked, bad = checked + more, bad + (more if wrong and rng.random() < 0.5 else 0)
                log_e = bad * 1.4 - checked * 0.03
                bound = min(1.0, (bad + 3.2) / max(1, checked) * 1.05)
                verdict = "Failed" if log_e > THRESHOLD else "Passed" if bound < 0.03 else "Inconclusive"
                found.append(
                    CheckPoint(
                        at=START + at,
                        pool=pool,
                        check=check,
                        checked=checked,
                        bad=bad,
                        max_rate=0.03,
                        upper_bound=bound,
                        log_e=log_e,
                        log_threshold=THRESHOLD,
                        verdict=verdict,
                    )
                )
    return found


def release(number: int) -> ReleaseRecord:
    begin, end = TURNS[number]
    bad = number in BAD_CHECK
    part = TrafficSummary(requests=(end - begin) * 3, answered=(end - begin) * 3, p50=2.3, p95=3.9, per_second=3.0)
    sentence = f"Check {BAD_CHECK[number]} failed in pool narrow: made up for a test." if bad else "All checks passed."
    return ReleaseRecord(
        number=number,
        title=TITLES[number],
        what="Made up for a test.",
        image="sampler@sha256:" + str(number) * 64,
        expected="rolled back" if bad else "promoted" if number > 1 else "established",
        expected_check=BAD_CHECK.get(number, ""),
        applied_at=START + begin,
        ended_at=START + end,
        first_candidate_at=START + begin + 20,
        full_traffic_at=None if bad else START + end - 30,
        decided_at=START + end - (16 if bad else 30),
        outcome="rolled back" if bad else "promoted" if number > 1 else "established",
        sentence=sentence,
        revisions=revisions(number),
        highest_wanted=50 if bad else 100,
        highest_observed=50 if bad else 100,
        answered_by_it=70,
        answered_since_applied=150,
        answered_beside=145,
        answered_until_decision=140,
        answered_by_it_until_decision=66,
        traffic=part,
        own_traffic=part,
        statuses=statuses(number),
        evidence=evidence(number),
        events=[
            EventPoint(at=START + begin + 1, type="Normal", reason="Started", message="Made up: the rollout started."),
            EventPoint(at=START + end - 16, type="Warning" if bad else "Normal", reason="Ended", message=sentence),
        ],
        pair=Pair(
            prompt="What colour is the sky?",
            drawn="temperature 0.7, top_p 0.99, top_k 40, seed 7",
            bad="The sky is สี blue <b>and",
            good="The sky is blue on a clear day.",
            good_release="release 2",
            remark="Made up.",
        )
        if bad
        else None,
    )


def agreement() -> Agreement:
    answers = [
        PoolAnswer(pool=pool, devices=devices, fingerprint=f"1{pool}-none", tokens=["Honey", ",", " mostly"])
        for pool, devices in zip(POOLS, (1, 4), strict=True)
    ]
    return Agreement(prompt="What do bees make?", drawn="temperature 0.7, top_p 0.99, seed 2025", answers=answers)


def buckets() -> list[TrafficBucket]:
    found = []
    for at in range(0, 460, 5):
        number = next(n for n, (begin, end) in TURNS.items() if begin <= at < end)
        stable = str(min(max(1, number - 1), 2))
        own = 0 if at - TURNS[number][0] < 20 else 15 if number < 3 and TURNS[number][1] - at < 30 else 8
        if number in BAD_CHECK and TURNS[number][1] - at < 16:
            own = 0
        found.append(TrafficBucket(at=START + at, seconds=5, by_release={stable: 15 - own, str(number): own}))
    return found


def recording() -> Recording:
    return Recording(
        started_at=START - 90,
        ended_at=START + 480,
        model="synthetic",
        machine="2 cores, 24 GiB",
        workers=8,
        manifest_quality="falseRollbackRate: 1%\nchecks: ...",
        releases=[release(n) for n in (1, 2, 3, 4)],
        agreement=agreement(),
        traffic=TrafficSummary(requests=1380, answered=1379, failed=1, failures={"unreachable": 1}, p50=2.3, p95=3.9),
        failures_by_phase={"release 2": {"unreachable": 1}},
        buckets=buckets(),
        resources=[
            ResourceRow(component="kube-apiserver", rest_mib=270, rest_cores=0.02, load_mib=281, load_cores=0.05),
            ResourceRow(component="sampler", processes=4, load_mib=3200, load_cores=1.8, peak_mib=4100),
        ],
    )
