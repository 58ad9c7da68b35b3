"""Whether a rollout's gate would catch the incidents at the traffic that it has (R17).

Each incident goes as simulated requests through the checks of the rollout, the operator's evidence and its decision, as
``samplerctl simulate`` does it. An incident that no check sees, and a check that is not simulated, are told as such.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, Final

from sampler_rollouts.domain.decision.context import counted_since
from sampler_rollouts.domain.decision.quality import check_plan, quality_plan
from sampler_rollouts.domain.evidence.samples import is_calibration
from sampler_rollouts.domain.resource import SpecError, parse_spec
from sampler_rollouts.domain.status import Status

from samplerctl import numbers
from samplerctl.errors import InputError
from samplerctl.incidents import INCIDENTS, need_check
from samplerctl.not_simulated import simulated, without_checks
from samplerctl.progress import Tell, untold
from samplerctl.rollout_file import RolloutFile
from samplerctl.simulate import TRAFFIC, Ending, Setting, simulate

ROLLED_BACK, PROMOTED = "rolled back", "promoted"
CHECK_FAILED: Final = "CheckFailed"
SEEN_SECONDS: Final = 60.0
"""So long a rollout must have been watched before its traffic is spoken of."""
_CHECK: Final = re.compile(r": check (\S+) ")
_ALARMS: Final = (
    "a check failed where nothing is wrong: raise quality.designEffect if requests fail together (sticky, bursty), or "
    "lower quality.falseRollbackRate; most alarms are of {check}"
)
_LATE: Final = (
    "the evidence did not come in time: give steps more time or weight, or raise strategy.deadline or the limits of "
    "the checks (`samplerctl power --honest` says how many requests Passed takes)"
)


def of_cluster(body: Mapping[str, Any]) -> RolloutFile:
    """A SamplerRollout as the API server shows it; InputError if its spec cannot be read."""
    name, raw = str(body["metadata"].get("name", "")), body.get("spec") or {}
    try:
        return RolloutFile(name, dict(raw), parse_spec(raw, name))
    except SpecError as error:
        raise InputError(f"{name}: {error}") from None


def observed_rps(body: Mapping[str, Any], now: float) -> float:
    """Requests a second of the pool that has fewest, since the candidate has pods; InputError if not known."""
    status = Status.load(body.get("status"))
    watched = now - counted_since(status.rollout).timestamp() if status.rollout else 0.0
    counts = [pool.requests.total for pool in status.pools if pool.requests]
    if watched < SEEN_SECONDS or not counts or not min(counts):
        raise InputError("--rps: no rollout has been under way for a minute, so its traffic is not known: give it")
    return min(counts) / watched


def selftest(file: RolloutFile, rps: float, traffic: str, runs: int, seed: int, tell: Tell = untold) -> dict[str, Any]:
    """What each incident comes to, and an honest build; InputError where the rollout cannot be simulated.

    ``tell`` is called for the rollouts that were simulated, ``runs`` for each of the incidents.
    """
    numbers.amount("--rps", rps)
    if traffic not in TRAFFIC:
        raise InputError(f"--traffic: {traffic!r} is not simulated: write one of {', '.join(TRAFFIC)}")
    tested = _simulated(file)
    setting = Setting(tested, INCIDENTS["honest"], traffic, rps, runs, seed)
    found = [_one(name, replace(setting, incident=incident), tell) for name, incident in INCIDENTS.items()]
    return {
        "rollout": file.name,
        "rps": rps,
        "traffic": traffic,
        "runs": runs,
        "not_simulated": list(tested.left_out),
        "incidents": found,
        "trusted": all(one["right"] for one in found),
    }


def _simulated(file: RolloutFile) -> RolloutFile:
    """Without what stops it, and without what is not simulated: checks of nats and of templates too."""
    going = simulated(replace(file, raw={**file.raw, "paused": False}))
    checks = quality_plan(going.spec, [pool.name for pool in going.spec.pools]).checks
    return without_checks(going, [one.name for one in checks if one.template or is_calibration(check_plan(one))])


def _one(name: str, setting: Setting, tell: Tell) -> dict[str, Any]:
    incident, spec = setting.incident, setting.file.spec
    pools = [pool.name for pool in spec.pools]
    told = {"incident": name, "what": incident.words, "rate": incident.rate if incident.check else None}
    try:
        need_check(incident, quality_plan(spec, pools), pools)
    except InputError as error:
        tell(setting.runs)
        return {**told, "right": False, "caught": 0, "by": {}, "requests": None, "seconds": None, "remedy": str(error)}
    return told | _counted(simulate(setting, tell=tell), honest=not incident.check)


def _counted(endings: Sequence[Ending], *, honest: bool) -> dict[str, Any]:
    caught = [one for one in endings if one.outcome == ROLLED_BACK and one.reason == CHECK_FAILED]
    missed = Counter(one.outcome for one in endings if one not in caught)
    return {
        "right": missed[PROMOTED] == len(endings) if honest else len(caught) == len(endings),
        "caught": len(caught),
        "by": dict(Counter(check for one in caught if (check := _check_of(one))).most_common()),
        "otherwise": dict(missed),
        "requests": _median([one.exposed for one in caught]),
        "seconds": _median([one.seconds for one in caught]),
        "remedy": _of_honest(endings) if honest else _of_bad(missed) if missed else "",
    }


def _of_bad(missed: Counter[str]) -> str:
    how = ", ".join(f"{count} {outcome}" for outcome, count in missed.most_common())
    return f"{how}: give steps more time or weight, or tighten the check (`samplerctl power` says what it takes)"


def _of_honest(endings: Sequence[Ending]) -> str:
    """What became of builds that are as good as stable, and what would have let them through."""
    ended = Counter((one.outcome, one.reason) for one in endings if one.outcome != PROMOTED)
    if not ended:
        return ""
    how = [f"{count} {outcome}{f' ({why})' if why else ''}" for (outcome, why), count in ended.most_common()]
    alarms = [_check_of(one) for one in endings if one.reason == CHECK_FAILED]
    remedies = [_ALARMS.format(check=Counter(alarms).most_common(1)[0][0])] if alarms else []
    remedies += [_LATE] if len(alarms) < sum(ended.values()) else []
    return f"not promoted, {', '.join(how)}: {'; '.join(remedies)}"


def _check_of(ending: Ending) -> str:
    found = _CHECK.search(ending.message)
    return found[1] if found else ""


def _median(values: list[Any]) -> Any:
    """None of nothing."""
    return median(values) if values else None
