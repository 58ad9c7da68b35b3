"""A record that was deleted is made anew from the Deployment: a release without one could neither go nor come back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from sampler_rollouts.domain import render
from sampler_rollouts.domain.observation import Observation
from sampler_rollouts.domain.records import trusted
from sampler_rollouts.domain.resource import parse_spec

from tests.unit.operator.domain.test_records import CHILD, OWNER, first_form
from tests.unit.operator.domain.world import pool, spec


def live() -> dict[str, Any]:
    """As the API server shows the template: with defaults, and with a label that a webhook added."""
    template = copy.deepcopy(first_form())
    template["metadata"] |= {"creationTimestamp": None, "annotations": {"by": "a webhook"}}
    template["spec"] |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "serviceAccountName": "powerful"}
    template["spec"]["containers"][0] |= {"terminationMessagePath": "/dev/termination-log"}
    return template


def test_it_is_what_was_recorded() -> None:
    seen = trusted(OWNER, Observation(live_templates={CHILD.key: live()}))
    assert seen.templates == {CHILD.key: first_form()}


def test_where_the_pods_run_is_part_of_it() -> None:
    place = {
        "platform": "gpu",
        "accelerator": "a",
        "template": {
            "models": {"claimName": "c"},
            "compileCache": {"claimName": "programs"},
            "pullSecrets": ["s"],
            "tolerations": [{"key": "k", "value": "v"}],
            "topologySpread": [{"topologyKey": "zone"}],
        },
    }
    parsed = parse_spec(spec() | {"pools": [pool("cpu-a") | place], "strategy": {}})
    recorded = render.pod_template(OWNER, parsed, parsed.pools[0], CHILD)
    shown = copy.deepcopy(recorded)
    shown["spec"] |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}
    assert trusted(OWNER, Observation(live_templates={CHILD.key: shown})).templates == {CHILD.key: recorded}
    shown["spec"]["tolerations"] = [{"operator": "Exists"}]
    assert trusted(OWNER, Observation(live_templates={CHILD.key: shown})).templates == {}


def test_a_record_that_is_there_counts_more() -> None:
    other = live()
    other["spec"]["containers"][0]["image"] = f"other@sha256:{'b' * 64}"
    seen = trusted(OWNER, Observation(templates={CHILD.key: first_form()}, live_templates={CHILD.key: other}))
    assert seen.templates == {CHILD.key: first_form()}


@pytest.mark.parametrize("named", ["SAMPLER_REVISION", "SAMPLER_POOL", "SAMPLER_ROLLOUT"])
def test_pods_that_pass_for_others_are_not_recorded(named: str) -> None:
    forged = live()
    (variable,) = [item for item in forged["spec"]["containers"][0]["env"] if item["name"] == named]
    variable["value"] = "other"
    assert trusted(OWNER, Observation(live_templates={CHILD.key: forged})).templates == {}


@pytest.mark.parametrize("nonsense", [{}, {"spec": {}}, {"spec": {"containers": []}}, {"spec": {"containers": [None]}}])
def test_what_cannot_be_read_is_not_recorded(nonsense: dict[str, Any]) -> None:
    assert trusted(OWNER, Observation(live_templates={CHILD.key: nonsense})).templates == {}
