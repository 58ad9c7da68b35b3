"""Bringing the cluster up: a row of steps, each of which does nothing where nothing is missing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from local import addons, components, network, nodeconfig, packages, pki, systemimages, tools
from local.cgroups import Cgroups
from local.client import Kubectl
from local.ctr import Ctr
from local.errors import LocalError
from local.files import link_program
from local.footprint import remember
from local.health import probes
from local.process import Daemon, stop
from local.progress import say, wait_for
from local.settings import NODE_NAME, Settings
from local.streams import Workers

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")


class Up:
    """One run of `up`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.groups = Cgroups(settings.cgroup, settings.cgroup_note)
        self.probes = probes(settings)
        self.daemons: dict[str, Daemon] = {}
        # Those that this run has started, or found running: only their death is news.
        self.seen: list[str] = []

    def run(self) -> None:
        """Do everything, in order."""
        s = self.settings
        began = time.monotonic()
        packages.ensure_installed(s, packages.FOR_CLUSTER)
        programs = {
            **tools.ensure(s, PROGRAMS),
            "containerd": packages.unpacked(s, "containerd") / "usr/bin/containerd",
        }
        remember(s)
        self._prepare(programs)
        self._start(["containerd", "etcd"])
        self._start(["kube-apiserver"])
        ctr = Ctr(s)
        with Workers(2) as pool:
            images = pool.submit(self._images, ctr)
            self._start(["kube-controller-manager", "kube-scheduler"], wait=False)
            names = images.result()
        self._start(["kubelet"], wait=False)
        kubectl = Kubectl(s)
        addons.apply(s, kubectl, names)
        self._wait(["kube-controller-manager", "kube-scheduler", "kubelet"])
        self._until("the node to have an address", lambda: _node_address(kubectl))
        self._start(["kube-proxy"])
        self._until("the node to be ready", lambda: _node_ready(kubectl))
        self._until("DNS and Prometheus to be ready", lambda: addons.ready(kubectl), timeout=120)
        # Through its Service and by way of the node's rules: the last thing to come.
        self._until("Prometheus to answer at its Service", lambda: addons.prometheus_answers(kubectl))
        say(f"the cluster is up ({time.monotonic() - began:.1f} s); use it with:")
        say(f"  export KUBECONFIG={s.kubeconfig} PATH={s.bin}:$PATH")

    def _prepare(self, programs: Mapping[str, Path]) -> None:
        s = self.settings
        runc = packages.unpacked(s, "runc") / "usr/sbin/runc"
        cni = packages.unpacked(s, "containernetworking-plugins") / "usr/lib/cni"
        self.groups.create(components.ALL)
        _make_private(s.run)
        network.ensure(s)
        pki.ensure(s)
        nodeconfig.write(s, pause_image=systemimages.pause(s).name, runc=runc, cni_bin=cni)
        _link(s.bin, programs)
        self.daemons = components.daemons(s, programs, self.groups)
        down = {name for name in components.ALL if not self.daemons[name].record()}
        for name in down:
            self.groups.kill_strays(name, programs[name])
        network.check_ports(p for p in components.ports(s) if p[0] in down)

    def _images(self, ctr: Ctr) -> dict[str, str]:
        """Import system images; a new cluster also forgets the containers of the one before."""
        marker = self.settings.run / "containers-are-ours"
        if not marker.exists():
            ctr.purge_containers()
            marker.touch()
        return systemimages.ensure(self.settings, ctr)

    def _start(self, names: Iterable[str], *, wait: bool = True) -> None:
        names = list(names)
        for name in names:
            daemon = self.daemons[name]
            running = daemon.record()
            if running and running.command != daemon.command:
                say(f"{name} has a new version or configuration: starting it anew")
                stop([daemon.pid_file])
                running = None
            if not running:
                daemon.start()
            self.seen.append(name)
        if wait:
            self._wait(names)

    def _wait(self, names: Iterable[str]) -> None:
        for name in names:
            self._until(f"{name} to be healthy", self.probes[name])

    def _until(self, what: str, probe: object, timeout: float = 60) -> None:
        """Wait, but not for a component that has died."""
        assert callable(probe)

        def alive_and() -> bool:
            self._refuse_dead()
            return bool(probe())

        wait_for(what, alive_and, timeout=timeout)

    def _refuse_dead(self) -> None:
        for name in self.seen:
            daemon = self.daemons[name]
            if not daemon.record():
                raise LocalError(
                    f"{name} has died (log: {daemon.log})",
                    "`make cluster-up` starts it again; if that fails, `make cluster-down` first",
                    daemon.log_tail(),
                )


def _make_private(run: Path) -> None:
    run.mkdir(parents=True, exist_ok=True)
    run.chmod(0o711)  # keys are below; pods' volumes too, which their users must be able to enter


def _link(folder: Path, programs: Mapping[str, Path]) -> None:
    """Links with plain names, for people and for containerd's search for its shim."""
    folder.mkdir(exist_ok=True)
    containerd = programs["containerd"].parent
    wanted = {**programs, "ctr": containerd / "ctr", "containerd-shim-runc-v2": containerd / "containerd-shim-runc-v2"}
    for name, target in wanted.items():
        link_program(folder / name, target)


def _node_address(kubectl: Kubectl) -> bool:
    nodes = kubectl.get("nodes")["items"]
    return any(a["type"] == "InternalIP" for n in nodes for a in n["status"].get("addresses", []))


def _node_ready(kubectl: Kubectl) -> bool:
    conditions = kubectl.get("node", NODE_NAME)["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
