"""Manifests of the pod that examines a revision before any of its servers.

It is the revision's own pod template, with a budget for the preflight and other labels: no Service of users selects it,
whether it is ready or not, and it counts as nobody's server. So nothing of it has to be taken back but itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from quality_contract.preflight import BUDGET_VARIABLE

from sampler_rollouts.domain.release import digest
from sampler_rollouts.domain.render import LABEL_ROLLOUT, Child, Owner, metadata_of
from sampler_rollouts.domain.render_probes import LABEL_COMPONENT
from sampler_rollouts.domain.resource import GROUP

if TYPE_CHECKING:
    from sampler_rollouts.domain.outcome import Manifest

COMPONENT: Final = "preflight"
LABEL_PREFLIGHT_POOL: Final = f"{GROUP}/preflight-pool"
LABEL_PREFLIGHT_REVISION: Final = f"{GROUP}/preflight-revision"
LABEL_PREFLIGHT_ATTEMPT: Final = f"{GROUP}/preflight-attempt"
"""Of the pod alone: another try changes the template, so that the pod of the last one is replaced."""


def preflight_labels(owner: Owner, child: Child) -> dict[str, str]:
    """Labels of the Deployment and its pod: neither pool, revision nor context class, by which servers are known."""
    return {
        LABEL_ROLLOUT: owner.name,
        LABEL_COMPONENT: COMPONENT,
        LABEL_PREFLIGHT_POOL: child.pool,
        LABEL_PREFLIGHT_REVISION: child.revision,
    }


def preflight_name(owner: Owner, child: Child) -> str:
    """Short, as a child's own name leaves no room for a suffix."""
    return f"{owner.name}-{digest({'preflight': child.key})}"


def attempt_label(tried_at: datetime | None) -> str:
    """A try of a preflight as its pods carry it: a time without what a label may not hold. Empty if it is not known."""
    return f"{tried_at.astimezone(UTC):%Y%m%dT%H%M%SZ}" if tried_at else ""


def preflight_deployment(
    owner: Owner, child: Child, template: Mapping[str, Any], budget: int, attempt: str = ""
) -> Manifest:
    """One pod of the very program that will serve; ``budget`` is the sweep's, in seconds, ``attempt`` a try's label."""
    labels = preflight_labels(owner, child)
    carried = labels | ({LABEL_PREFLIGHT_ATTEMPT: attempt} if attempt else {})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata_of(owner, preflight_name(owner, child), labels),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": carried}, "spec": _pod(template["spec"], budget)},
        },
    }


def _pod(spec: Mapping[str, Any], budget: int) -> dict[str, Any]:
    container = dict(spec["containers"][0])
    theirs = [item for item in container.get("env") or [] if item["name"] != BUDGET_VARIABLE]
    container["env"] = [*theirs, {"name": BUDGET_VARIABLE, "value": str(budget)}]
    return {**spec, "containers": [container]}
