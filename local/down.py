"""Taking the cluster down. It works from whatever state it finds: a crash, a Ctrl-C, half an `up`."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

from local import footprint, network
from local.cgroups import Cgroups
from local.components import ALL
from local.errors import LocalError
from local.process import stop
from local.progress import step
from local.settings import Settings

_MNT_DETACH = 2
# Kept: images (a new import takes long) and logs (someone may want to see why).
KEPT = ("containerd-root", "log", "lock")


def take_down(settings: Settings, *, purge: bool = False) -> None:
    """End all processes and remove what we put on the machine; `purge` also drops imported images and logs."""
    touched = network.was_touched(settings)
    with step("ending the cluster's processes"):
        # The kubelet first, or it would start again what ends.
        stop([settings.pids / "kubelet"], timeout=3)
        groups = Cgroups(settings.cgroup, settings.cgroup_note)
        stop([settings.pids / name for name in ALL], timeout=3)
        groups.kill()
    with step("removing mounts, interfaces, rules, control groups and data"):
        unmount_below(settings.run)
        network.remove(settings)
        groups.remove()
        footprint.clean(settings)
        remove_data(settings.run, () if purge else KEPT)
    left = leftovers(settings, touched=touched)
    if left:
        raise LocalError(f"still there: {', '.join(left)}", "run `make cluster-down` again")


def leftovers(settings: Settings, *, touched: bool) -> list[str]:
    """Name what of ours is still on the machine; `touched` is `network.was_touched` from before the removal."""
    groups = Cgroups(settings.cgroup, settings.cgroup_note)
    left = [f"process {pid}" for pid in sorted(groups.processes())]
    left += [f"mount {path}" for path in mounts_below(settings.run)]
    left += [f"control group {root}" for root in groups.roots if root.exists()]
    return left + network.leftovers(settings, touched=touched)


def mounts_below(folder: Path, mountinfo: str | None = None) -> list[Path]:
    """Return mount points below a folder, the newest first. Network namespaces are pinned by such mounts too."""
    text = mountinfo if mountinfo is not None else Path("/proc/self/mountinfo").read_text()
    points = [Path(_unescape(line.split(" ")[4])) for line in text.splitlines()]
    return [p for p in reversed(points) if p.is_relative_to(folder)]


def unmount_below(folder: Path) -> None:
    """Unmount everything below the folder; what is busy goes when its last user does."""
    libc = ctypes.CDLL(None, use_errno=True)
    for point in mounts_below(folder):
        if libc.umount2(str(point).encode(), _MNT_DETACH) != 0:
            error = os.strerror(ctypes.get_errno())
            raise LocalError(f"cannot unmount {point}: {error}", "see who uses it with `fuser -vm`")


def remove_data(run: Path, kept: tuple[str, ...]) -> None:
    """Remove the run folder's content."""
    if not run.exists():
        return
    for entry in run.iterdir():
        if entry.name in kept:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _unescape(path: str) -> str:
    """Undo mountinfo's octal escapes of spaces and the like."""
    return path.encode().decode("unicode_escape")
