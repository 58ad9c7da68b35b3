"""Which series a look asks for: its candidate's pods by name, and of stable only what is needed for its traffic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from quality_contract import (
    AUDIT_MISMATCH,
    AUDIT_TOKENS,
    BAD,
    CHECK_ERRORS,
    CHECK_REPLAY_AUDIT,
    CHECKED,
    LABEL_CHECK,
    TARGET_NAMESPACE,
    TARGET_POD,
    TARGET_REVISION,
    TARGET_ROLLOUT,
)

from sampler_rollouts.domain.evidence import draws
from sampler_rollouts.domain.evidence.samples import Question, is_calibration, is_compared
from sampler_rollouts.metrics.envelope import SourceProblem

PODS_A_QUERY = 50
"""Names in one query: at most 4 KB, so that it fits into any server's or proxy's limit of an address. One answer for
thousands of pods would be too large however short the time that it covers."""

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")


def of_pods(question: Question, pods: Iterable[str], revisions: Iterable[str] = ()) -> Iterator[str]:
    """Selectors, each of a bounded number of pods, of every counter that the checks read.

    ``revisions`` is the candidate's unless given. Raises SourceProblem for what is not a Kubernetes name.
    """
    wanted = revisions or {arm.revision for arm in question.arms}
    names = sorted(pods)
    for first in range(0, len(names), PODS_A_QUERY):
        batch = names[first : first + PODS_A_QUERY]
        yield _selector(question, _metrics(question), {TARGET_REVISION: _any(wanted), TARGET_POD: _any(batch)})


def of_stable(question: Question) -> Iterator[str]:
    """The selector of stable's pairs of the checks that compare, and of its traffic, by revision: its pods come and go.

    Nothing without stable.
    """
    revisions = {arm.stable_revision for arm in question.arms if arm.stable_revision}
    checks = {CHECK_ERRORS, *(plan.name for plan in question.checks if is_compared(plan))}
    if revisions:
        yield _selector(question, [CHECKED, BAD], {TARGET_REVISION: _any(revisions), LABEL_CHECK: _any(checks)})


def of_rollout(question: Question) -> str:
    """The checked requests of whatever pods the rollout has: to see if there are any, and how they are labelled."""
    return _selector(question, [CHECKED], {})


def _metrics(question: Question) -> list[str]:
    audited = any(plan.name == CHECK_REPLAY_AUDIT for plan in question.checks)
    calibrated = any(map(is_calibration, question.checks))
    return [
        *(CHECKED, BAD),
        *((AUDIT_TOKENS, AUDIT_MISMATCH) if audited else ()),
        *(draws.COUNTERS if calibrated else ()),
    ]


def _selector(
    question: Question, metrics: Sequence[str], patterns: Mapping[str, str], equal: Mapping[str, str] | None = None
) -> str:
    """All metrics in one query, so that what belongs together is read at one state of the store."""
    places = {TARGET_NAMESPACE: _plain(question.namespace), TARGET_ROLLOUT: _plain(question.rollout), **(equal or {})}
    matchers = [f'__name__=~"{"|".join(metrics)}"']
    matchers += [f'{label}="{value}"' for label, value in places.items()]
    matchers += [f'{label}=~"{pattern}"' for label, pattern in patterns.items()]
    return f"{{{','.join(matchers)}}}"


def _any(names: Iterable[str]) -> str:
    """A pattern of exactly these names; patterns are anchored. The only special character that a name has is a dot."""
    return "|".join(_plain(name).replace(".", "[.]") for name in sorted(names))


def _plain(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SourceProblem("InvalidQuestion", "namespace, rollout, pod or revision is not a Kubernetes name")
    return name
