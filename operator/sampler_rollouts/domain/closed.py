"""Whether a recorded pod template is one that ``render`` could have written (R25). Pure.

Whoever may write ControllerRevisions can put anything into one. It becomes pods only if it is the template that
``render`` makes of the fields that an author may set. The form is not described here a second time: the free fields are
read from the record, put into a pool, and rendered again; anything else in the record shows as a difference. So a
change of what ``render`` writes around the free fields must go on accepting what it wrote before, or an upgrade would
lose every record (``test_closed.py`` holds a record of each form).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sampler_rollouts.domain import render
from sampler_rollouts.domain.pool import RESERVED_ENV, Pool
from sampler_rollouts.domain.quantities import LONGEST_DURATION
from sampler_rollouts.domain.rules import violations

_TOLD: Final = frozenset({"SAMPLER_PRECISION", "SAMPLER_AUDIT_SHARE"})
"""The author's settings among the operator's variables: any literal text, since other versions offer other values."""


def is_rendered(owner: render.Owner, child: render.Child, template: Mapping[str, Any]) -> bool:
    """Whether ``template`` is the child's, of the closed form; never raises, whatever the record holds."""
    try:
        return _text(template) == _text(_again(owner, child, template))
    except (KeyError, IndexError, TypeError, ValueError, RecursionError):  # pydantic's error is a ValueError
        return False


def _again(owner: render.Owner, child: render.Child, template: Mapping[str, Any]) -> dict[str, Any]:
    """The template that ``render`` makes of the record's free fields; raises if one of them is not an author's."""
    pod = template["spec"]
    (container,) = pod["containers"]
    drain, env = pod["terminationGracePeriodSeconds"], container["env"]
    pool = Pool.model_validate(
        {
            "name": child.pool,
            "replicas": 1,
            "image": container["image"],
            "template": {
                "env": env[len(RESERVED_ENV) :],
                "args": container.get("args", []),
                "resources": container.get("resources", {}),
            },
        }
    )
    if type(drain) is not int or not 1 <= drain <= LONGEST_DURATION or [*violations(pool, "")]:
        raise ValueError("a free field of the record breaks the rules of a spec")
    made = render.pod_template(owner, pool, child, drain)
    _take_told(made["spec"]["containers"][0]["env"], env)
    return made


def _take_told(made: list[dict[str, Any]], env: Sequence[Mapping[str, Any]]) -> None:
    for item, recorded in zip(made, env, strict=False):
        if item["name"] in _TOLD and isinstance(recorded["value"], str):
            item["value"] = recorded["value"]


def _text(value: Any) -> str:
    """Canonical JSON: to Python ``True``, ``1`` and ``1.0`` are equal, to the API server they are not."""
    return json.dumps(value, sort_keys=True)
