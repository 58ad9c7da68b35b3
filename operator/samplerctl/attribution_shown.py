"""Which change an answer belongs to, and what changed lately, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text
from sampler_rollouts.domain.release import NO_ROUTE

from samplerctl.numbers import percent
from samplerctl.output import console
from samplerctl.served import NOT_WELL

Found = Mapping[str, Any]
COLOURS = {"RolledBack": "red", NOT_WELL: "red", "Verified": "green", "Promoted": "green"}


def which_table(found: Found) -> None:
    """Every place that the revision is known of."""
    console().print(Group(*_which(found)), soft_wrap=True)


def _which(found: Found) -> Iterator[Text]:
    for one in found["found"]:
        line = Text(
            f"{one['namespace']}/{one['rollout']}, pool {one['pool']}, release {one['release']}: {one['role']}, "
        )
        yield line + _verdict(one) + Text(f"; {_when(one)}")
        if one["image"]:
            yield Text(f"  image: {one['image']}")
        if one["route_hash"] not in (None, NO_ROUTE):
            yield Text(f"  route table: {one['route_hash']}")
        if one["changes"]:
            yield Text(f"  differs from what served before: {one['changes']}")
        if one["requests"]:
            share = percent((one["exposed"] or 0) / one["requests"])
            yield Text(
                f"  {one['exposed']:,} of {one['requests']:,} answered requests of the pool ({share}) were its own"
            )
        if one["message"]:
            yield Text(f"  {one['message']}")
    if not found["found"]:
        yield from _unknown(found)


def _unknown(found: Found) -> Iterator[Text]:
    """What is known of a revision that no status names."""
    yield Text(f"No SamplerRollout that was looked at names revision {found['revision']} in its status.")
    for one in found["records"]:
        where = f"{one['namespace']}/{one['rollout']}, pool {one['pool']}"
        yield Text(f"There is a record of it: {where}, made {one['created']}, image {one['image'] or 'unknown'}")
    if not found["records"]:
        yield Text(
            "There is no record of it either. Status keeps the last ten rollouts: look in another namespace (-n, "
            "--all-namespaces), or in the metrics source's label revision."
        )


def _when(one: Found) -> str:
    text = f"since {one['since']}"
    if one["full_traffic"] and one["full_traffic"] != one["since"]:
        text += f", all traffic from {one['full_traffic']}"
    return text + (f", until {one['until']}" if one["until"] else "")


def _verdict(one: Found) -> Text:
    said = one["verdict"] + (f" ({one['reason']})" if one["reason"] else "")
    if one.get("pool_verdict"):
        said += f", {one['pool_verdict']} in this pool"
    return Text(said, style=COLOURS.get(one["verdict"], ""))


def changes_table(found: Found) -> None:
    """What changed, newest first."""
    table = Table(box=None, pad_edge=False)
    for name in ("when", "rollout", "pool", "what", "exposed", "verdict"):
        table.add_column(name, overflow="fold", justify="right" if name == "exposed" else "left")
    for one in found["changes"]:
        table.add_row(*_row(one))
        for pool in one["pools"]:
            if pool.get("requests") is not None and len(one["pools"]) > 1:
                said = _said(pool["verdict"], pool["reason"])
                table.add_row("", "", pool["pool"], f"  revision {pool['revision']}", _share(pool), said)
    text = f"Since {found['since']}: {len(found['changes']) or 'no'} changes"
    console().print(Group(Text(text), table))


def _row(one: Found) -> Iterator[Text | str]:
    yield one["at"] + (" (under way)" if one.get("going_on") else "")
    yield f"{one['namespace']}/{one['rollout']}"
    yield ", ".join(pool["pool"] for pool in one["pools"])
    if one["kind"] == "release":
        yield f"release {one['release']} {one['role']}: {one['what'] or one['message'] or 'nothing more is known'}"
        yield _share(one)
        yield Text(_said(one["verdict"], one["reason"]), style=COLOURS.get(one["verdict"], ""))
    else:
        yield f"{one['kind']}: {one['message']}"


def _share(one: Found) -> str:
    if not one["requests"]:
        return ""
    return f"{percent(one['share'] or 0.0)} ({one['exposed']:,} of {one['requests']:,})"


def _said(verdict: str | None, reason: str | None) -> str:
    return f"{verdict} ({reason})" if verdict and reason else verdict or ""
