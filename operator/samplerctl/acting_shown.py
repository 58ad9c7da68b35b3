"""Acts, histories and checked files for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from samplerctl.not_simulated import words
from samplerctl.numbers import duration
from samplerctl.output import console

Found = Mapping[str, Any]
COLOURS = {"done": "green", "unanswered": "yellow", "deleted": "yellow"}
"""Of answers; what is not here is red."""


def answers(found: Found) -> None:
    """What the operator answered, one line for each SamplerRollout."""
    for one in found.get("rollouts", [found]):
        line = Text(f"{one['namespace']}/{one['name']}: {one['act']} {one['release']}: ")
        line.append(one["answer"], style=COLOURS.get(one["answer"], "red"))
        took = f" It took away, unanswered: {', '.join(one['took_back'])}." if one["took_back"] else ""
        console().print(line + Text(f". {one['message']}{took}"), soft_wrap=True)


def history_table(found: Found) -> None:
    """How rollouts ended, and who said what."""
    table = Table(box=None, pad_edge=False)
    for name in ("ended", "release", "result", "weight", "exposed", "why"):
        table.add_column(name, overflow="fold")
    for one in found["history"]:
        exposed = f"{one['exposed']:,} of {one['requests']:,}"
        table.add_row(one["ended_at"], one["release"], one["result"], f"{one['weight']}%", exposed, one["message"])
    said = [Text(_said(one)) for one in found["acts"]]
    console().print(Group(Text(f"{found['namespace']}/{found['name']}"), table, *said))


def _said(one: Found) -> str:
    did = one["act"] if one["done"] else f"refused {one['act']}"
    return f"{one['at']} {did} {one['release']}, {_by(one)}: {one['message']}"


def _by(one: Found) -> str:
    return f"self-reported: {one['self_reported']}" if one["self_reported"] else "nobody said who"


def checked(found: Found) -> None:
    """Which objects of a file, or of several, would be taken."""
    for file in found.get("files", [found]):
        for one in (*file["rollouts"], *file["checkTemplates"]):
            name = f"{file['file']}: {one['name']}" if "files" in found else one["name"]
            if not one["problems"]:
                console().print(Text(f"{name}: valid", style="green"), soft_wrap=True)
            for problem in one["problems"]:
                console().print(Text(f"{name}: {problem}", style="red"), soft_wrap=True)


def selftested(found: Found) -> None:
    """Which check catches what, after how many requests."""
    traffic = f"{found['rps']:.3g} requests a second and pool ({found['traffic']})"
    console().print(Text(f"{found['rollout']}: {found['runs']} rollouts for each incident, {traffic}"))
    table = Table(box=None, pad_edge=False)
    for name in ("incident", "ended", "by", "after requests", "after", "what"):
        table.add_column(name)
    for one in found["incidents"]:
        caught = Text(_outcome(one, found["runs"]), style="green" if one["right"] else "red")
        after = "" if one["seconds"] is None else duration(one["seconds"])
        requests = "" if one["requests"] is None else f"{one['requests']:,.0f}"
        table.add_row(one["incident"], caught, ", ".join(one["by"]), requests, after, one["what"])
    console().print(table)
    for one in found["incidents"]:
        if one["remedy"]:
            console().print(Text(f"{one['incident']}: {one['remedy']}"), soft_wrap=True)
    for line in words(found["not_simulated"]):
        console().print(Text(line), soft_wrap=True)


def _outcome(one: Found, runs: int) -> str:
    """A build that is well is to be promoted, any other to be caught."""
    if one["rate"] is None:
        return f"{one.get('otherwise', {}).get('promoted', 0)} of {runs} promoted"
    return f"{one['caught']} of {runs} caught"
