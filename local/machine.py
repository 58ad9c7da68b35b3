"""Whether this machine can do it: asked before anything is touched."""

from __future__ import annotations

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from local import tools
from local.cgroups import Cgroups
from local.errors import LocalError
from local.progress import say
from local.settings import Settings

GIB = 1024**3
_BUILDAHS_TEMPORARY = Path("/var/tmp")
DEMO_MEMORY = 8
"""GiB that the demo needs: four servers of a real model, their successors, and the cluster."""


def check_rights(what: str = "the local cluster") -> None:
    """Refuse a system or a user with whom nothing here can work."""
    if sys.platform != "linux":
        raise LocalError(f"{what} needs Linux, this is {sys.platform}", "use a Debian 12 machine")
    if os.geteuid() != 0:
        raise LocalError(f"{what} needs root", "run it as root, or with sudo")


def check_machine(settings: Settings, programs: Iterable[str]) -> None:
    """Refuse what cannot work. `programs` are those that the cluster runs: building them takes most of the disk."""
    check_rights()
    built = all(tools.is_built(settings, program) for program in programs)
    _check_disk(_once_built(settings) if built else _at_first(settings))
    groups = Cgroups(settings.cgroup, settings.cgroup_note)
    if groups.unified and not groups.v1:
        say("this machine has control groups v2 alone: the code for them is tested on a model of them, and not tried")


def check_memory(gibibytes: float, meminfo: Path = Path("/proc/meminfo")) -> None:
    """Refuse a machine with less memory than that to give."""
    for line in meminfo.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable" and (available := int(value.split()[0]) * 1024 / GIB) < gibibytes:
            problem = f"only {available:.1f} GiB of memory available, {gibibytes:g} GiB needed"
            raise LocalError(problem, "end what uses it, or take a larger machine")


def _once_built(s: Settings) -> list[tuple[Path, float]]:
    return [(s.cache, 1), (s.run, 2), (_BUILDAHS_TEMPORARY, 1)]


def _at_first(s: Settings) -> list[tuple[Path, float]]:
    """As measured on first builds, rounded up: GiB that each place comes to hold."""
    modules, objects = tools.go_caches()
    return [(s.cache, 4), (s.run, 3), (modules, 3), (objects, 5), (_BUILDAHS_TEMPORARY, 2)]


def _check_disk(needs: Iterable[tuple[Path, float]]) -> None:
    """What lies on one file system must fit into it together."""
    together: dict[int, list[tuple[Path, float]]] = defaultdict(list)
    for place, need in needs:
        together[_existing(place).stat().st_dev].append((place, need))
    for group in together.values():
        need = sum(amount for _, amount in group)
        free = shutil.disk_usage(_existing(group[0][0])).free / GIB
        if free < need:
            places = ", ".join(f"{place} ({amount:g})" for place, amount in group)
            raise LocalError(
                f"only {free:.1f} GiB free on one file system, {need:g} GiB needed: {places}",
                "free some, or move them with SAMPLER_ROLLOUTS_CACHE, SAMPLER_ROLLOUTS_RUN, GOMODCACHE, GOCACHE",
            )


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())
