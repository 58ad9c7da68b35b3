"""Which recorded pod templates may be used: those of the closed form, whoever wrote them (R25).

A record is reused verbatim, and whoever may create ControllerRevisions can write one that carries our labels and owner.
Taken as it is, it would give that person any pod at all. So a record counts only if it is what this program could have
rendered: every field as it renders it, but for those that the author of a SamplerRollout may choose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain import render
from sampler_rollouts.domain.placement import Placement, read_placement
from sampler_rollouts.domain.platforms import PLUGINS_ENV
from sampler_rollouts.domain.pool import ALWAYS_SET_ENV, LABEL_PATTERN, RESERVED_ENV, ROUTING_ENV, STANDARD
from sampler_rollouts.domain.quantities import LONGEST_DURATION
from sampler_rollouts.domain.rules import violations

if TYPE_CHECKING:
    from sampler_rollouts.domain.observation import Observation

_FREE: Final = frozenset({"image", "env", "args", "resources"})


def trusted(owner: render.Owner, seen: Observation) -> Observation:
    """The same observation without records that are not of the closed form: they are as good as lost.

    What is lost is made anew from the Deployment, whose pods are what the record was there to bring back.
    """
    kept = {key: template for key, template in seen.templates.items() if is_closed(owner, _child(key), template)}
    lost = {key: live for key, live in seen.live_templates.items() if key not in kept}
    made = {key: template for key, live in lost.items() if (template := _recovered(owner, _child(key), live))}
    return replace(seen, templates=kept | made) if made or len(kept) < len(seen.templates) else seen


def _recovered(owner: render.Owner, child: render.Child, live: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of a live template: what may be free of it in the closed form, whatever else stands in it."""
    try:
        container, drain = live["spec"]["containers"][0], live["spec"]["terminationGracePeriodSeconds"]
        free, placement = {name: container[name] for name in _FREE if container.get(name)}, _placement(live["spec"])
        made = render.closed_form(owner, child, drain, free, live["metadata"]["labels"][render.LABEL_CLASS], placement)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
    return made if is_closed(owner, child, made) else None


def is_closed(owner: render.Owner, child: render.Child, template: Mapping[str, Any]) -> bool:
    """Whether a recorded template is one that could have been rendered for this child."""
    try:
        context_class = template["metadata"]["labels"][render.LABEL_CLASS]
        container, drain = template["spec"]["containers"][0], template["spec"]["terminationGracePeriodSeconds"]
        free = {name: value for name, value in container.items() if name in _FREE}
        placement = _placement(template["spec"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False
    fits = type(drain) is int and 0 < drain <= LONGEST_DURATION and _is_free(free) and _is_label(context_class)
    ours = render.identity(owner, child) | {"SAMPLER_DRAIN_TIMEOUT": str(drain)}
    form = render.closed_form(owner, child, drain, free, context_class, placement)
    return fits and _are_ours(free["env"], ours, context_class) and template == form


def _placement(pod: Mapping[str, Any]) -> Placement:
    """Where the pods of a template run, by the rules of a spec; raises what reading nonsense raises."""
    placement = Placement.model_validate(read_placement(pod))
    if any(violations(placement, "")):
        raise ValueError("a placement that no spec may ask for")
    return placement


def _is_free(free: Mapping[str, Any]) -> bool:
    """Literal values alone: nothing of the cluster can be read through them."""
    return (
        isinstance(free.get("image"), str)
        and _is_list(free.get("env"), _is_variable)
        and _is_list(free.get("args", []), lambda item: isinstance(item, str))
        and _is_resources(free.get("resources", {}))
    )


def _is_list(value: object, of: Any) -> bool:
    return isinstance(value, list) and all(of(item) for item in value)


def _is_variable(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    literal = item.keys() == {"name", "value"} and all(isinstance(part, str) for part in item.values())
    return (literal and item["name"] not in PLUGINS_ENV) or item == render.POD_NAME


def _is_label(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(LABEL_PATTERN, value) is not None


def _are_ours(env: Sequence[Mapping[str, Any]], values: Mapping[str, str], context_class: str) -> bool:
    """Each of the operator's variables once, and of ``values``: no pod may pass for another revision's or class's."""
    reserved = [item["name"] for item in env if item["name"] in RESERVED_ENV]
    routing = set(ROUTING_ENV) & set(reserved)
    wanted = {**values, **({"SAMPLER_CONTEXT_CLASS": context_class} if routing else {})}
    told = [render.POD_NAME, *({"name": name, "value": value} for name, value in wanted.items())]
    once = len(set(reserved)) == len(reserved) and set(ALWAYS_SET_ENV) <= set(reserved)
    classed = routing == set(ROUTING_ENV) or (not routing and context_class == STANDARD)
    return once and classed and all(item in env for item in told)


def _is_resources(value: object) -> bool:
    """Requests and limits; no claims, which name other objects."""
    if not isinstance(value, dict) or not value.keys() <= {"requests", "limits"}:
        return False
    amounts = [one for one in value.values() if isinstance(one, dict)]
    plain = all(isinstance(amount, str | int) for one in amounts for amount in one.values())
    return plain and len(amounts) == len(value)


def _child(key: str) -> render.Child:
    pool, _, revision = key.rpartition("-")
    return render.Child(pool, revision)
