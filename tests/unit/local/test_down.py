"""Taking down: what is found and what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import footprint
from local.down import mounts_below, remove_data
from local.settings import Settings
from local.status import Component, PodUse, _pod_use, table

_MOUNTS = """\
20 1 8:1 / / rw - ext4 /dev/vda rw
30 20 0:30 / /run/ours/kubelet rw - ext4 /dev/vda rw
31 30 0:31 / /run/ours/kubelet/pods/a\\040b rw - tmpfs tmpfs rw
32 20 0:32 / /run/ours-not rw - tmpfs tmpfs rw
33 20 0:4 net:[1] /run/ours/netns/x rw - nsfs nsfs rw
"""


def test_mounts_are_found_newest_first_and_only_ours() -> None:
    found = mounts_below(Path("/run/ours"), _MOUNTS)
    assert found == [
        Path("/run/ours/netns/x"),
        Path("/run/ours/kubelet/pods/a b"),
        Path("/run/ours/kubelet"),
    ]


def test_images_and_logs_are_kept(tmp_path: Path) -> None:
    for name in ("containerd-root", "log", "etcd"):
        (tmp_path / name).mkdir()
    (tmp_path / "kubeconfig").touch()
    (tmp_path / "link").symlink_to(tmp_path / "log")
    remove_data(tmp_path, ("containerd-root", "log"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["containerd-root", "log"]
    remove_data(tmp_path / "nowhere", ())


def test_the_systems_folders_are_left_as_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts, fresh, used = tmp_path / "hosts", tmp_path / "fresh", tmp_path / "used"
    hosts.mkdir()
    monkeypatch.setattr(footprint, "_MAY_APPEAR", (hosts, fresh, used))
    settings = Settings(cache=tmp_path / "cache", run=tmp_path / "run")
    footprint.remember(settings)
    fresh.mkdir()
    used.mkdir()
    (used / "someone-elses").touch()
    footprint.remember(settings)
    footprint.clean(settings)
    assert hosts.exists()
    assert not fresh.exists()
    assert used.exists()


def test_only_links_to_our_logs_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = tmp_path / "containers"
    logs.mkdir()
    monkeypatch.setattr(footprint, "_CONTAINER_LOGS", logs)
    monkeypatch.setattr(footprint, "_MAY_APPEAR", ())
    settings = Settings(cache=tmp_path / "cache", run=tmp_path / "run")
    (logs / "ours").symlink_to(settings.run / "pod-logs" / "x")
    (logs / "theirs").symlink_to("/var/log/pods/x")
    (logs / "file").touch()
    footprint.clean(settings)
    assert sorted(p.name for p in logs.iterdir()) == ["file", "theirs"]


def test_status_tells_dead_from_unwell() -> None:
    parts = [
        Component("etcd", 12, 45.4, True),
        Component("kubelet", 13, 90, False),
        Component("containerd", None, 0, False),
    ]
    lines = table(parts, [PodUse("ns", "pod", 100.6, 0.25)]).splitlines()
    assert lines[1].split() == ["etcd", "12", "45", "ok"]
    assert lines[2].endswith("not healthy")
    assert lines[3].split() == ["containerd", "-", "0", "not", "running"]
    assert lines[-1].split() == ["ns/pod", "101", "0.250"]


def test_a_pod_that_the_kubelet_has_not_measured_yet() -> None:
    assert _pod_use({"podRef": {"namespace": "n", "name": "p"}}) == PodUse("n", "p", 0, 0)
