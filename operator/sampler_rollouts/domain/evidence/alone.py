"""Checks of rates in the bake: against ``maxRate`` alone, by the procedure that finds a change whenever it comes."""

from __future__ import annotations

import math
from dataclasses import replace

from sampler_rollouts.domain.evidence.comparison import Compared, Stream
from sampler_rollouts.domain.evidence.counters import milliseconds
from sampler_rollouts.domain.evidence.samples import Question
from sampler_rollouts.domain.evidence.shiryaev import log_e, log_threshold


def bake_threshold(question: Question) -> float:
    """ln of the evidence at which a check of a rate fails in the bake."""
    return log_threshold(question.tests, question.bake_intervals, question.alpha)


def in_bake(question: Question, stream: Stream, found: Compared) -> Compared:
    """What the core found, with the bake's test in place of the e-process. What it takes to pass stays.

    Where probes count both questions are asked of it: of all requests, and of users' alone (``probed``).
    """
    if math.isnan(stream.plan.max_rate):
        return replace(found, failed=False, shared=False, unconfirmed=False, burst=False, log_e=-math.inf)
    since = milliseconds(question.since.timestamp())
    asked = [stream.candidate] if stream.probes is None else [stream.candidate, stream.counted]
    effect = question.design_effect
    values = [log_e(pods, stream.plan.max_rate, since, question.bake_intervals, effect) for pods in asked]
    whole, least = (max(of_each) for of_each in zip(*values, strict=True))
    wanted = bake_threshold(question)
    failed = least >= wanted
    return replace(
        found,
        failed=failed,
        shared=False,
        unconfirmed=False,
        passed=found.passed and not failed,
        burst=not failed and whole >= wanted,
        log_e=least,
    )
