"""Folders of the system that Kubernetes' programs write to whatever they are told, and how they are left as found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.files import write_if_changed
from local.nodeconfig import CNI_NETWORK
from local.settings import Settings

_SHIM_SOCKETS = Path("/run/containerd/s")
_CNI_RESULTS = Path("/var/lib/cni/results")
_CONTAINER_LOGS = Path("/var/log/containers")
# Removed (folders only when empty) if they were not there before: deepest first.
_MAY_APPEAR = tuple(
    Path(p)
    for p in (
        "/run/containerd/s",
        "/run/containerd/runc/k8s.io",
        "/run/containerd/runc",
        "/run/containerd/fifo",
        "/run/containerd",
        "/var/lib/cni/results",
        "/var/lib/cni/networks",
        "/var/lib/cni",
        "/var/log/containers",
        "/var/log/pods",
        "/var/lib/kubelet/device-plugins/kubelet.sock",
        "/var/lib/kubelet/device-plugins",
        "/var/lib/kubelet/plugins_registry",
        "/var/lib/kubelet/plugins",
        "/var/lib/kubelet",
        "/var/run/kubernetes",
        "/opt/containerd",
    )
)


def remember(settings: Settings) -> None:
    """Note, before the first start, which of the folders are the host's own."""
    note = _note(settings)
    if not note.exists():
        write_if_changed(note, json.dumps(present()))


def present() -> list[str]:
    """Which of the folders are there now."""
    return [str(p) for p in _MAY_APPEAR if p.exists()]


def clean(settings: Settings) -> None:
    """Remove our traces in the system's folders. Everything has ended by now."""
    _unlink(_shim_sockets(settings))
    _unlink(_cni_results(settings))
    _unlink(_log_links(settings))
    note = _note(settings)
    if not note.exists():
        return
    hosts_own = set(json.loads(note.read_text()))
    for path in _MAY_APPEAR:
        if str(path) not in hosts_own:
            _remove_if_empty(path)
    note.unlink()


def _note(settings: Settings) -> Path:
    return settings.run / "folders-before.json"


def _shim_sockets(settings: Settings) -> Iterator[Path]:
    """The sockets of our shims: each bundle names its own."""
    for note in settings.containerd_state.glob("io.containerd.runtime.v2.task/*/*/address"):
        address = note.read_text().strip().removeprefix("unix://")
        if Path(address).parent == _SHIM_SOCKETS:
            yield Path(address)


def _cni_results(settings: Settings) -> Iterator[Path]:
    """What CNI noted of our pods: containerd keeps a folder for each of them."""
    for home in (settings.containerd_state, settings.containerd_root):
        for sandbox in home.glob("io.containerd.grpc.v1.cri/sandboxes/*"):
            yield _CNI_RESULTS / f"{CNI_NETWORK}-{sandbox.name}-eth0"
            yield _CNI_RESULTS / f"cni-loopback-{sandbox.name}-lo"


def _log_links(settings: Settings) -> Iterator[Path]:
    """Links that the kubelet makes for log collectors; they point into our run folder."""
    if _CONTAINER_LOGS.is_dir():
        for link in _CONTAINER_LOGS.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(settings.run):
                yield link


def _unlink(paths: Iterable[Path]) -> None:
    for path in list(paths):
        path.unlink(missing_ok=True)


def _remove_if_empty(path: Path) -> None:
    try:
        if path.is_socket():
            path.unlink()
        else:
            path.rmdir()
    except OSError:
        return  # not there, or someone else's things are in it
