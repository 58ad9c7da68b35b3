"""What is printed at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.demo.recording import Agreement, Pair, Recording, ReleaseRecord, ResourceRow
from local.demo.report import words


def show(console: Console, recording: Recording) -> None:
    """The table of releases, the answers, the load and the resources."""
    console.print(releases(recording.releases))
    for release in recording.releases:
        if release.sentence:
            console.print(Text(f"release {release.number}: ", style="bold") + Text(release.sentence))
    if recording.agreement is not None:
        console.print(agreement(recording.agreement))
    for release in recording.releases:
        if release.pair is not None:
            console.print(pair(release, release.pair))
    console.print(load(recording))
    console.print(resources(recording.resources))


def releases(found: Sequence[ReleaseRecord]) -> Table:
    """How each release fared."""
    shown = Table(title="Releases", title_justify="left", title_style="bold")
    for name in ("release", "outcome"):
        shown.add_column(name)
    for name in ("highest weight", "first answer to decision", "its answers till then", "share exposed"):
        shown.add_column(name, justify="right")
    for release in found:
        style = "red" if release.outcome == "rolled back" else "green"
        first = release.number == 1
        shown.add_row(
            f"{release.number} {release.title}",
            Text(words.fate(release), style=style),
            words.weight(release),
            "-" if first else words.seconds(release.seconds_to_decision),
            "-" if first else f"{release.answered_by_it_until_decision} of {release.answered_until_decision}",
            "-" if release.should_stay else words.share(release.share_exposed),
        )
    return shown


def pair(release: ReleaseRecord, found: Pair) -> Panel:
    """A bad answer beside a good one."""
    text = Text()
    text.append(f"{found.prompt}\n", style="bold")
    text.append(f"release {release.number}: ", style="red")
    text.append(f"{found.bad.strip()}\n")
    text.append(f"{found.good_release}: ", style="green")
    text.append(f"{found.good.strip()}\n")
    text.append(f"{found.remark} ({found.drawn}; a question of the load generator's own)", style="dim")
    return Panel(text, title=f"release {release.number}: {release.title}", title_align="left")


def agreement(found: Agreement) -> Panel:
    """The pools' answers to one request."""
    text = Text(f"{found.prompt}\n", style="bold")
    for answer in found.answers:
        text.append(f"{words.layout(answer)}: ", style="green" if found.same else "red")
        text.append(f"{answer.text.strip()}\n")
    told = f"the same {len(found.answers[0].tokens)} tokens" if found.same else "different tokens"
    text.append(f"{told} ({found.drawn}; each pool was asked by itself)", style="dim")
    return Panel(text, title="one request, every pool", title_align="left")


def load(recording: Recording) -> str:
    """The load in one line."""
    traffic = recording.traffic
    return (
        f"{traffic.requests} requests, {traffic.failed} without an answer, {traffic.throttled} times 429; "
        f"{traffic.per_second:.1f}/s, median {traffic.p50:.1f} s, 95th percentile {traffic.p95:.1f} s"
    )


def resources(found: Sequence[ResourceRow]) -> Table:
    """Memory and CPU by component."""
    shown = Table(title="Memory and CPU (at rest / under load)", title_justify="left", title_style="bold")
    shown.add_column("component")
    for name in ("processes", "MiB", "cores"):
        shown.add_column(name, justify="right")
    for row in found:
        mib = f"{_whole(row.rest_mib)} / {_whole(row.load_mib)}"
        shown.add_row(row.component, str(row.processes), mib, f"{_part(row.rest_cores)} / {_part(row.load_cores)}")
    return shown


def verdict(console: Console, recording: Recording, out: Path, report: Path) -> None:
    """The last words: as told or not, and where to look."""
    if recording.deviations:
        console.print(Text("NOT AS TOLD", style="bold red"))
        for deviation in recording.deviations:
            console.print(Text(f"  - {deviation}", style="red"))
        console.print(f"Look at: {out}/operator.log, {out}/events.json, {out}/recording.json")
    else:
        text = "All as told: the good build was promoted, the bad ones were rolled back by the operator."
        console.print(Text(text, style="bold green"))
    took = words.seconds(recording.ended_at - recording.started_at)
    stages = ", ".join(f"{name} {words.seconds(spent)}" for name, spent in recording.stages.items())
    console.print(f"took {took} ({stages})")
    console.print(f"report: {report}")


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _part(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
