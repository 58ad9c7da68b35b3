"""What of a spec is left out before it is simulated, and what that means for the answer.

Simulated are users' requests, pods, and the operator's own decision about them. A gateway, a preflight and a prober
would have to answer before the decision goes on: with them in the spec an honest build would be held for ever.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from quality_contract import PROBE_CHECKS
from sampler_rollouts.domain.resource import SpecError, parse_spec

from samplerctl.errors import InputError
from samplerctl.rollout_file import RolloutFile

UNOWNED: Final = 10
"""Servers of a pool whose number is an autoscaler's."""
REPLICAS: Final = "spec.pools.replicas"
FIELDS: Final = {
    "spec.routing.gateway": "users reach all ready pods alike, so the candidate's share is that of its pods, which is "
    "more than the step's weight where replicas are few",
    "spec.routing.routes": "the table is the same in both releases, and each pool has the requests of --rps",
    "spec.routing.session": "no cookie keeps users with a server; --traffic sticky is sessions that stay with a pod",
    "spec.strategy.preflight": "no build is examined, so one that it would refuse gets traffic",
    "spec.quality.probes": "only users' requests are counted; probes are more evidence, and make each check two tests",
    "spec.rollback.warmReplicas": "no pod is kept ready for a rollback, whose time is not simulated either",
    REPLICAS: f"where an autoscaler owns them a pool has {UNOWNED} servers all the time: give it replicas in a copy of "
    "the file for another number",
}
"""Each field that is left out, and how the answer differs from a cluster's for it."""


def simulated(file: RolloutFile) -> RolloutFile:
    """The rollout without what is not simulated; ``left_out`` names the fields, and checks of what they bring."""
    raw, left_out = copy.deepcopy(file.raw), []
    unowned = [pool for pool in raw["pools"] if pool.get("replicas") is None]
    for pool in unowned:
        pool["replicas"] = UNOWNED
    for path in FIELDS:
        _, block, field = path.split(".")
        # 0 warm replicas, or a null, ask for nothing.
        if isinstance(raw.get(block), dict) and raw[block].pop(field, None) not in (None, 0):
            left_out.append(path)
    left_out += [REPLICAS] if unowned else []
    probing = [check.name for check in file.spec.quality.checks if check.name in PROBE_CHECKS]
    return without_checks(replace(file, raw=raw, left_out=(*file.left_out, *left_out)), probing)


def without_checks(file: RolloutFile, names: Iterable[str]) -> RolloutFile:
    """The rollout without these checks; InputError where what is left is no rollout."""
    raw, gone = copy.deepcopy(file.raw), tuple(names)
    left_out = (*file.left_out, *gone)
    if gone:  # so there is a list: none of the default checks is ever left out
        checks: list[dict[str, Any]] = [one for one in raw["quality"]["checks"] if one["name"] not in gone]
        if not checks:
            raise InputError(
                f"spec.quality.checks: holds nothing but {', '.join(gone)}, whose data are not simulated: "
                "add a check of a rate, such as errors"
            )
        raw["quality"]["checks"] = checks
    try:
        return replace(file, raw=raw, spec=parse_spec(raw, file.name), left_out=left_out)
    except SpecError as error:
        raise InputError(f"{file.name}, without {', '.join(left_out)}: {error}") from None


def words(left_out: Iterable[str]) -> list[str]:
    """What is said to people: a line for each field, and each check, that was left out."""
    return [
        f"{name} is not simulated: {FIELDS[name]}"
        if name in FIELDS
        else f"the data of check {name} ({_kind(name)}) are not simulated: not tested"
        for name in left_out
    ]


def _kind(check: str) -> str:
    return "the prober's" if check in PROBE_CHECKS else "nats, or a template's"
