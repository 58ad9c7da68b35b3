"""What the user sees while it happens: narration above, a live table below; plain lines where there is no terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from samplerctl.drawing.scales import clock

from local.demo.recording import PoolPoint, StatusPoint
from local.demo.report import words

_VERDICT_STYLE = {"Passed": "green", "Failed": "bold red"}


@dataclass(frozen=True)
class Scene:
    """All that one picture of the table shows."""

    status: StatusPoint | None = None
    title: str = ""
    per_second: float = 0.0
    answered: int = 0
    failed: int = 0
    by_release: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, int] = field(default_factory=dict)


class Screen:
    """The story's teller. ``scene`` is asked twice a second."""

    def __init__(self, console: Console, scene: Callable[[], Scene], *, every: float = 15.0) -> None:
        self._console = console
        self._scene = scene
        self._every = every
        self._began = time.monotonic()
        self._live: Live | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def say(self, text: str, style: str = "") -> None:
        """Tell the next thing."""
        elapsed = Text(f"[{clock(time.monotonic() - self._began)}] ", style="dim")
        self._console.print(elapsed + Text(text, style=style))

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=2, transient=True)
            self._live.start()
        else:
            self._thread = threading.Thread(target=self._plain, name="screen", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        if self._live is not None:
            self._live.stop()
        if self._thread is not None:
            self._thread.join(5)

    def _render(self) -> Group:
        scene = self._scene()
        return Group(table(scene), Text(footer(scene, time.monotonic() - self._began), style="dim"))

    def _plain(self) -> None:
        while not self._stop.wait(self._every):
            for line in lines(self._scene()):
                self.say("  " + line)


def table(scene: Scene) -> Table:
    """The live table."""
    shown = Table(title=scene.title or None, title_justify="left", title_style="bold", expand=False)
    for name in ("pool", "revision"):
        shown.add_column(name, no_wrap=True)
    for name in ("wanted", "observed", "ready (new/stable)", "checked"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("worst check (bad/checked)")
    shown.add_column("verdict", no_wrap=True)
    for pool in scene.status.pools if scene.status else []:
        verdict = Text(pool.verdict or "-", style=_VERDICT_STYLE.get(pool.verdict, ""))
        cells = (pool.name, revision(pool, scene), percent(pool.wanted), percent(pool.observed), ready(pool))
        shown.add_row(*cells, checked(pool), pool.worst or "-", verdict)
    return shown


def revision(pool: PoolPoint, scene: Scene) -> str:
    """The revision, with the release's number where it is known."""
    number = scene.names.get(pool.revision)
    return f"{pool.revision or '-'}{f' ({number})' if number else ''}"


def ready(pool: PoolPoint) -> str:
    """Ready pods of the release that is tried, and of the one that serves."""
    new, stable = ("-" if count is None else str(count) for count in (pool.candidate_ready, pool.stable_ready))
    return f"{new}/{stable}"


def checked(pool: PoolPoint) -> str:
    """How much the worst check has counted, and of what."""
    return f"{pool.checked} {words.unit(pool.check)}" if pool.check else "-"


def percent(value: float) -> str:
    """A weight."""
    return f"{value:.0f} %"


def footer(scene: Scene, elapsed: float) -> str:
    """Time and load."""
    shares = ", ".join(f"release {name}: {count}" for name, count in scene.by_release.items())
    load = (
        f"{scene.per_second:.1f} answers/s · {scene.answered} answered ({shares or 'none yet'}) · {scene.failed} failed"
    )
    phase = scene.status.phase if scene.status else "no status yet"
    return f"{clock(elapsed)} · {phase} · {load}"


def lines(scene: Scene) -> list[str]:
    """The same as lines, for a log."""
    if scene.status is None:
        return []
    found = [f"{scene.title}: {scene.status.phase}; {scene.per_second:.1f}/s, {scene.failed} failed"]
    for pool in scene.status.pools:
        found.append(
            f"{pool.name} {revision(pool, scene)}: wanted {percent(pool.wanted)}, observed {percent(pool.observed)}, "
            f"ready pods (new/stable) {ready(pool)}, {_worst(pool)}, {pool.verdict or 'no verdict'}"
        )
    return found


def _worst(pool: PoolPoint) -> str:
    return f"{pool.worst} ({words.unit(pool.check)})" if pool.worst else "nothing checked yet"
