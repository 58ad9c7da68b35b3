"""Our control groups on a model of the kernel's two kinds of hierarchies: folders that fill by themselves."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cgroups import Cgroups
from local.errors import LocalError

KNOWN = "cpuset cpu io memory hugetlb pids rdma misc"
OURS = {"cpu", "cpuset", "memory", "pids", "io", "hugetlb"}
DAEMONS = ("etcd", "kubelet")


class Kernel:
    """What of a kernel is needed: `mkdir` fills a group, `rmdir` takes its files too, words switch controllers."""

    def __init__(self, mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mount, self.in_use = mount, set[str]()
        self.mkdir, self.write, self.rmdir = Path.mkdir, Path.write_text, Path.rmdir
        for name, act in {"mkdir": "made", "write_text": "written", "rmdir": "removed"}.items():
            monkeypatch.setattr(Path, name, self._instead(act))

    def _instead(self, act: str) -> Callable[..., Any]:
        def method(path: Path, *args: Any, **keywords: Any) -> Any:
            return getattr(self, act)(path, *args, **keywords)

        return method

    def passed_on(self, group: Path) -> set[str]:
        return set((group / "cgroup.subtree_control").read_text().split())

    def made(self, path: Path, *args: Any, **keywords: Any) -> None:
        fresh = not path.exists()
        self.mkdir(path, *args, **keywords)
        if fresh and path.is_relative_to(self.mount):
            self.fill(path)

    def fill(self, path: Path) -> None:
        self.write(path / "cgroup.procs", "")

    def written(self, path: Path, text: str, *args: Any, **keywords: Any) -> int:
        if path.name != "cgroup.subtree_control":
            return self.write(path, text, *args, **keywords)
        now, have = self.passed_on(path.parent), set((path.parent / "cgroup.controllers").read_text().split())
        for word in text.split():
            if word[1:] not in have:
                raise OSError(errno.ENOENT, "no such controller")
            if word[0] == "-" and word[1:] in self.in_use:
                raise OSError(errno.EBUSY, "Device or resource busy")
            now = now | {word[1:]} if word[0] == "+" else now - {word[1:]}
        return self.write(path, " ".join(sorted(now)))

    def removed(self, path: Path) -> None:
        if path.is_relative_to(self.mount) and not any(child.is_dir() for child in path.iterdir()):
            shutil.rmtree(path)
        else:
            self.rmdir(path)


class Unified(Kernel):
    """v2: the uppermost group has no cpuset files; below, a group has what its parent passes on."""

    def fill(self, path: Path) -> None:
        super().fill(path)
        given = self.passed_on(path.parent)
        self.write(path / "cgroup.controllers", " ".join(given))
        self.write(path / "cgroup.subtree_control", "")
        for name in ("cpuset.cpus", "cpuset.mems") if "cpuset" in given else ():
            self.write(path / name, "\n")


class Single(Kernel):
    """v1's cpuset hierarchy: a new group has no processors until it is given some."""

    def fill(self, path: Path) -> None:
        super().fill(path)
        for name in ("cpuset.cpus", "cpuset.mems"):
            self.write(path / name, "\n")


def mounted(tmp_path: Path, kind: str) -> Path:
    mount = tmp_path / kind
    mount.mkdir()
    with (tmp_path / "mountinfo").open("a") as file:
        file.write(f"30 25 0:26 / {mount} rw,nosuid shared:9 - {kind} {kind} rw\n")
    return mount


def groups(tmp_path: Path) -> Cgroups:
    return Cgroups("ours", tmp_path / "note", tmp_path / "mountinfo")


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Unified]:
    """As Debian 12 with systemd has it."""
    mount = mounted(tmp_path, "cgroup2")
    (mount / "cgroup.controllers").write_text(KNOWN)
    (mount / "cgroup.subtree_control").write_text("cpu memory pids")
    yield Unified(mount, monkeypatch)
    monkeypatch.undo()


def test_on_v2_pods_get_all_that_the_kubelet_asks_for(unified: Unified, tmp_path: Path) -> None:
    for _ in range(2):  # `up` on a running cluster goes the same way
        groups(tmp_path).create(DAEMONS)
    ours = unified.mount / "ours"
    assert unified.passed_on(unified.mount) == OURS
    assert unified.passed_on(ours) == OURS
    assert (ours / "cpuset.cpus").read_text() == "\n", "empty is the parent's"
    assert sorted(path.name for path in (ours / "daemons").iterdir() if path.is_dir()) == sorted(DAEMONS)
    assert unified.passed_on(ours / "daemons") == set(), "their processes are in leaves"


def test_on_v2_the_host_gets_back_what_it_had(unified: Unified, tmp_path: Path) -> None:
    for _ in range(2):
        groups(tmp_path).create(DAEMONS)
    unified.in_use = {"io"}
    groups(tmp_path).remove()
    assert not (unified.mount / "ours").exists()
    assert unified.passed_on(unified.mount) == {"cpu", "memory", "pids", "io"}, "io is somebody else's by now"
    assert not (tmp_path / "note").exists()
    groups(tmp_path).remove()


def test_a_group_that_passes_nothing_on_is_told(unified: Unified, tmp_path: Path, monkeypatch: Any) -> None:
    def busy(*_: Any) -> int:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(unified, "written", busy)
    with pytest.raises(LocalError, match=r"does not pass its controllers on .*busy\): run on the host itself"):
        groups(tmp_path).create(DAEMONS)


def test_on_v1_a_group_gets_its_parents_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = mounted(tmp_path, "cgroup")
    (mount / "cpuset.cpus").write_text("0-1\n")
    (mount / "cpuset.mems").write_text("0\n")
    single = Single(mount, monkeypatch)
    groups(tmp_path).create(DAEMONS)
    leaf = single.mount / "ours" / "daemons" / "etcd"
    assert [(leaf / name).read_text() for name in ("cpuset.cpus", "cpuset.mems")] == ["0-1\n", "0\n"]
    assert not (tmp_path / "note").exists()
    groups(tmp_path).remove()
    assert not (mount / "ours").exists()
    monkeypatch.undo()


def test_what_the_host_passed_on_is_noted_once(unified: Unified, tmp_path: Path) -> None:
    groups(tmp_path).create(DAEMONS)
    groups(tmp_path).create(DAEMONS)
    assert json.loads((tmp_path / "note").read_text()) == {str(unified.mount): ["cpu", "memory", "pids"]}


def test_without_control_groups_there_is_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("")
    with pytest.raises(LocalError, match="no control groups are mounted: mount them"):
        groups(tmp_path).create(DAEMONS)
