"""Our own control group: whatever we start, and whatever that starts, is in it or below it.

This is how `down` knows its processes without ever looking at a name. Works with the unified hierarchy (v2) and with
one mount per controller (v1); with the latter every hierarchy gets the folder, because the kubelet asks for that.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from local.errors import LocalError
from local.files import write_if_changed

# With v2 the kubelet refuses to start where one of these is known to the kernel and not passed on to it.
CONTROLLERS = ("cpu", "cpuset", "memory", "pids", "io", "hugetlb")


class Cgroups:
    """The folders named `name` in all control group hierarchies.

    `note` is where `create` keeps what the host passed on to its groups before us (v2), for `remove` to put back.
    """

    def __init__(self, name: str, note: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
        self.name = name
        self.note = note
        mounts = parse_mounts(mountinfo.read_text())
        self.v1 = [path for kind, path in mounts if kind == "cgroup"]
        self.unified = [path for kind, path in mounts if kind == "cgroup2"]

    @property
    def roots(self) -> list[Path]:
        """Our folder in every hierarchy."""
        return [mount / self.name for mount in [*self.v1, *self.unified]]

    def for_daemon(self, name: str) -> list[Path]:
        """Where a daemon goes. A folder of its own: v2 allows processes in leaves only."""
        return [root / "daemons" / name for root in self.roots]

    def create(self, daemons: Sequence[str]) -> None:
        """Make the folders, with the controllers that pods need."""
        if not self.roots:
            raise LocalError("no control groups are mounted", "mount them (see `man cgroups`)")
        if not self.v1:
            self._remember()
            for mount in self.unified:
                _delegate(mount)
        for root in self.roots:
            for folder in (root, root / "daemons", *(root / "daemons" / name for name in daemons)):
                folder.mkdir(exist_ok=True)
                # With v2 an empty list means the parent's, and the uppermost group has no list to copy.
                if self.v1:
                    _inherit_cpuset(folder)
        if not self.v1:
            for root in self.roots:
                _delegate(root)

    def processes(self) -> set[int]:
        """Every process in or below our folders."""
        return {pid for root in self.roots for pid in _pids_below(root)}

    def kill_strays(self, name: str, program: Path) -> None:
        """Kill a daemon of which no pid file tells: a run was killed between starting it and writing the file.

        Only that very program in the daemon's own folder: containerd's shims are there too, and must live on.
        """
        for folder in self.for_daemon(name):
            for pid in _pids_below(folder):
                if _program(pid) == program.resolve():
                    _kill(pid)

    def kill(self, timeout: float = 20.0) -> None:
        """Kill every process in or below our folders, and wait until none is left."""
        deadline = time.monotonic() + timeout
        while pids := self.processes():
            for pid in pids:
                _kill(pid)
            if time.monotonic() > deadline:
                raise LocalError(f"processes {sorted(pids)} of the local cluster do not die", "see `dmesg`; reboot")
            time.sleep(0.05)

    def remove(self) -> None:
        """Remove the folders, deepest first; a folder stays busy for a moment after its last process ended.

        Then the host's groups get no more controllers than before, but for one that somebody else uses by now.
        """
        for root in self.roots:
            _retry(lambda root=root: _remove_tree(root))  # type: ignore[misc]
        before = json.loads(self.note.read_text()) if self.note.exists() else {}
        for mount, passed_on in before.items():
            for added in sorted(_passed_on(Path(mount)) - set(passed_on)):
                with contextlib.suppress(OSError):
                    _subtree(Path(mount)).write_text(f"-{added}")
        self.note.unlink(missing_ok=True)

    def _remember(self) -> None:
        if not self.note.exists():
            write_if_changed(self.note, json.dumps({str(mount): sorted(_passed_on(mount)) for mount in self.unified}))


def parse_mounts(mountinfo: str) -> list[tuple[str, Path]]:
    """Return file system type and mount point of every control group hierarchy."""
    found = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split(" ", 1)[0]
        if kind in {"cgroup", "cgroup2"}:
            found.append((kind, Path(left.split(" ")[4])))
    return found


def _pids_below(root: Path) -> set[int]:
    pids: set[int] = set()
    for folder, _, _ in os.walk(root):
        try:
            pids.update(int(word) for word in (Path(folder) / "cgroup.procs").read_text().split())
        except OSError:
            continue  # gone meanwhile, or a threaded group
    return pids - {0}


def _program(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return None


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _inherit_cpuset(folder: Path) -> None:
    for name in ("cpuset.cpus", "cpuset.mems"):
        ours = folder / name
        if ours.exists() and not ours.read_text().strip():
            ours.write_text((folder.parent / name).read_text())


def _delegate(folder: Path) -> None:
    have = (folder / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{c}" for c in CONTROLLERS if c in have)
    try:
        _subtree(folder).write_text(wanted)
    except OSError as error:
        problem = f"{folder} does not pass its controllers on to its groups ({error.strerror})"
        remedy = "run on the host itself, not in a container whose processes are in that very group"
        raise LocalError(problem, remedy) from None


def _subtree(folder: Path) -> Path:
    return folder / "cgroup.subtree_control"


def _passed_on(folder: Path) -> set[str]:
    return set(_subtree(folder).read_text().split())


def _remove_tree(root: Path) -> bool:
    for folder, _, _ in os.walk(root, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _retry(action: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not action():
        if time.monotonic() > deadline:
            raise LocalError("a control group of the local cluster stays busy", "run `make cluster-down` again")
        time.sleep(0.05)
