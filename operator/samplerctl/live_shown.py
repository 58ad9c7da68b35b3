"""Live rollouts for people: a few lines and a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from sampler_rollouts.domain.evidence.unaccounted import NO_SAMPLES, NOT_ASKED, NOT_COUNTED

from samplerctl.numbers import percent
from samplerctl.output import console

COLOURS = {"Passed": "green", "Failed": "red", "Inconclusive": "yellow"}
Found = Mapping[str, Any]


def status_table(found: Found) -> None:
    """Where a rollout stands."""
    console().print(status_view(found))


def explain_table(found: Found) -> None:
    """The evidence, check by check."""
    console().print(Group(_headline(found), *_words(found), _evidence(found), *_details(found)))


def status_view(found: Found) -> RenderableType:
    """Where a rollout stands, to be printed or kept on the screen."""
    table = Table(box=None, pad_edge=False)
    for name in ("pool", "revision", "ready", "weight", "verdict", "requests", "exposed"):
        table.add_column(name, justify="right" if name in ("ready", "weight", "requests", "exposed") else "left")
    for one in found["pools"]:
        weight = f"{one['weight']}%" + (f" ({one['observed_weight']}% of pods)" if one["weight"] else "")
        counts = (_count(one["requests"]), _count(one["exposed"]))
        ready = f"{one['ready']} of {one['replicas']}" + (" (autoscaler)" if _is_autoscaled(one) else "")
        table.add_row(one["pool"], one["revision"], ready, weight, _verdict(one["verdict"], one["reason"]), *counts)
    conditions = (f"{one['type']}={one['status']} {one['reason']}: {one['message']}" for one in found["conditions"])
    last = (f"Before: {one['release']} {one['result']}: {one['message']}" for one in found["history"][:1])
    return Group(_headline(found), table, *(Text(line) for line in (*conditions, *last)))


def _headline(found: Found) -> Text:
    where = f"{found['stage']}" + (f", {found['progress']}" if found["progress"] not in ("", found["stage"]) else "")
    text = f"{found['namespace']}/{found['name']}: {where}; stable {found['stable'] or 'none'}"
    if found["candidate"]:
        text += f", candidate {found['candidate']}"
    return Text(text + (" (the newest spec has not been looked at yet)" if found["behind"] else ""))


def _words(found: Found) -> Iterator[Text]:
    yield Text(found["waits_for"])
    if scaled := [f"{one['pool']} ({one['replicas']} now)" for one in found["pools"] if _is_autoscaled(one)]:
        yield Text(f"An autoscaler owns the replicas of pool {', '.join(scaled)}")
    if found["changes"]:
        yield Text(f"Differs from stable: {'; '.join(found['changes'])}")
    if found["candidate"] and found["evidence_of"] == found["stable"]:
        yield Text(f"Release {found['candidate']} has no pod yet: the numbers are of release {found['stable']}")
    elif found["evidence_of"]:
        yield Text(f"The numbers are of release {found['evidence_of']}")
    if terms := found["quality"]:
        yield Text(
            f"A false rollback in at most {terms['false_rollback_rate']} of rollouts (half of it now, over "
            f"{terms['tests']} tests), Passed at {terms['pass_confidence']}, design effect {terms['design_effect']}"
        )


def _is_autoscaled(pool: Found) -> bool:
    return bool(pool["replicas_owner"] == "autoscaler")


def _evidence(found: Found) -> Table:
    table = Table(box=None, pad_edge=False)
    right = ("requests", "bad", "rate", "odds against it")
    for name in ("pool", "check", "limits", "verdict", *right[:3], "bounds", right[3], "missing"):
        table.add_column(name, justify="right" if name in right else "left")
    for pool in found["pools"]:
        if not pool["begun"]:
            table.add_row(pool["pool"], "", "", "not begun")
        for check in pool["checks"]:
            table.add_row(pool["pool"], check["check"], limits_text(check), *_numbers(check))
    return table


def limits_text(check: Found) -> str:
    """In words."""
    parts = [
        f"up to {check['max_rate']}" if check["max_rate"] else "",
        f"{check['max_ratio']} times stable's" if check["max_ratio"] else "",
        f"ignored below {check['ignore_below']}" if check["ignore_below"] else "",
        f"slower than {check['slower_than']}" if check["slower_than"] else "",
        f"up to {check['max_bias_nats']} nats" if check["max_bias_nats"] else "",
        f"up to {check['max_drop']} lower than stable" if check["max_drop"] else "",
        "decides nothing" if check["report"] else "",
    ]
    return ", ".join(filter(None, parts))


def _numbers(check: Found) -> Iterator[RenderableType]:
    if check["verdict"] is None:
        yield Text("not looked at yet", style="dim")
        return
    yield _verdict(check["verdict"], check["reason"])
    yield f"{check['checked']:,}"
    kind = _bias if check["max_bias_nats"] else _drop if check["max_drop"] else _rate
    yield from kind(check)
    needed = "" if check["odds_to_fail"] is None else f" (fails at {check['odds_to_fail']:,.0f})"
    yield f"{check['odds']:,.3g} to 1{needed}"
    yield _missing(check)


def _rate(check: Found) -> Iterator[str]:
    yield _count(check["bad"])
    yield "" if check["rate"] is None else percent(check["rate"])
    yield "" if check["upper"] is None else f"{percent(check['lower'])} to {percent(check['upper'])}"


def _bias(check: Found) -> Iterator[str]:
    """What stands where a rate and its bounds would."""
    bias, bound = check["bias_nats"], check["bias_bound_nats"]
    yield ""
    yield "" if bias is None else f"{bias:+.3g} nats"
    yield "" if bound is None else f"up to {bound:.3g} nats either way"


def _drop(check: Found) -> Iterator[str]:
    """What stands there for scores."""
    drop, bound = check["drop"], check["drop_bound"]
    yield ""
    yield "" if drop is None else f"{percent(drop)} lower"
    yield "" if bound is None else f"at most {percent(bound)} lower"


def _missing(check: Found) -> str:
    if check["verdict"] != "Inconclusive":
        return ""
    if check["clean_to_pass"] is None:
        return check["reason"] or ""
    return f"about {check['clean_to_pass']:,} more clean requests"


def _details(found: Found) -> Iterator[Text]:
    for pool in found["pools"]:
        if share := pool["share"]:
            interval = f", 95% interval {share['low']} to {share['high']}" if share["low"] else ""
            yield Text(
                f"{pool['pool']}: share wanted {share['wanted']}, seen {share['observed'] or 'nothing yet'}{interval}"
            )
        if lost := pool["unaccounted"]:
            yield Text(f"{pool['pool']}: requests that the gateway sent and no pod accounts for: {_lost(lost)}")
        for check in pool["checks"]:
            if check["verdict"] and check["detail"]:
                yield Text(f"{pool['pool']}, {check['check']}: {check['detail']}")


def _lost(found: Found) -> str:
    """In words: how many, and why there may be more."""
    why = {
        NOT_ASKED: "the operator's metrics source names no counter of the gateway (gatewayRequests)",
        NOT_COUNTED: "the servers have no counters that account for every request",
        NO_SAMPLES: "the gateway's counter has no fresh samples of all pods",
    }.get(found["unknown"], found["unknown"])
    number = f"{found['lost']:,} of {found['sent']:,}"
    return number if not why else f"not known: {why}" if not found["lost"] else f"at least {number}; {why}"


def _verdict(verdict: str | None, reason: str | None) -> Text:
    text = f"{verdict} ({reason})" if verdict and reason else verdict or ""
    return Text(text, style=COLOURS.get(verdict or "", ""))


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
