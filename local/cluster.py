"""The local cluster as a command (`python -m local.cluster up|down|status|env`) and as a Python object."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from local import network, status, tools
from local.client import Helm, Kubectl
from local.components import ALL
from local.ctr import Ctr
from local.down import leftovers, take_down
from local.errors import LocalError
from local.files import lock
from local.gateway.install import Edge
from local.gateway.install import ensure as ensure_gateway
from local.machine import check_machine, check_rights
from local.process import read_record
from local.progress import say
from local.prometheus import LOCAL
from local.reach import Direct
from local.settings import Settings, load
from local.up import PROGRAMS, Up


class Cluster:
    """The one local cluster of this machine."""

    name = "the local cluster"
    clearing = "run `make cluster-down` first"
    rest = "`make cluster-down` does the rest"
    prometheus = LOCAL
    namespaces = ("kube-system", LOCAL.namespace)
    to_try = Path(__file__).parent / "demo" / "to_try.txt"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load()
        self.reach = Direct(self.settings)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.settings.kubeconfig

    @cached_property
    def kubectl(self) -> Kubectl:
        """Runs kubectl: `cluster.kubectl("get", "pods")`."""
        return Kubectl(self.settings)

    @cached_property
    def helm(self) -> Helm:
        """Runs helm: `cluster.helm("list")`."""
        return Helm(self.settings)

    @cached_property
    def images(self) -> Ctr:
        """Its containerd."""
        return Ctr(self.settings)

    def check(self) -> None:
        """Refuse a machine on which it cannot come up; nothing is touched."""
        check_machine(self.settings, PROGRAMS)

    def up(self) -> None:
        """Bring the cluster up, or mend what is missing of it."""
        self.check()
        with self._lock():
            Up(self.settings).run()

    def gateway(self) -> Edge:
        """Install Envoy Gateway and a Gateway, where they are missing, and say where it listens."""
        with self._lock():
            return ensure_gateway(self.settings, self.kubectl, self.helm)

    def down(self, *, purge: bool = False) -> None:
        """Leave no process, mount, interface, network namespace, rule or control group of ours."""
        check_rights()
        with self._lock():
            take_down(self.settings, purge=purge)

    def leave(self, *, refused: bool = False) -> None:
        """All that `up` puts there is the cluster's own."""

    def processes(self) -> dict[str, int]:
        """Pids of its components, as far as they live."""
        records = {file.name: read_record(file) for file in sorted(self.settings.pids.iterdir())}
        return {name: record.pid for name, record in records.items() if record}

    def components(self) -> list[status.Component]:
        """Pid, memory and health of each component."""
        return status.components_status(self.settings)

    def pod_use(self) -> list[status.PodUse]:
        """Memory and CPU of every pod."""
        return status.pod_use(self.kubectl)

    def lives(self) -> bool:
        """Whether any process of it lives, however unwell: then it is somebody's, who has not taken it down."""
        return any(read_record(self.settings.pids / name) for name in ALL)

    def clear_dead(self) -> bool:
        """Remove what a crash left, unless a process of it lives. Return whether none did: the next `up` is ours."""
        check_rights()
        # Within the lock: another's `up` may be under way, and has no process yet.
        with self._lock():
            if self.lives():
                return False
            take_down(self.settings)
            return True

    def build_images(self, *names: str, programs: Sequence[str] = ()) -> dict[str, str]:
        """Build images from the working tree, import them, and return name to `name@sha256:...`.

        Samplers hold the programs of servers with these settings compiled, each "VARIABLE=value VARIABLE=value".
        """
        from local.images import build_images  # noqa: PLC0415 - images need this module for their command

        return build_images(self.settings, self.images, names, programs=programs)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with lock(self.settings.run / "lock", "the local cluster"):
            yield


def _up(cluster: Cluster, options: argparse.Namespace) -> int:
    cluster.up()
    if options.gateway:
        edge = cluster.gateway()
        say(f"the Gateway {edge.namespace}/{edge.name} listens at {edge.url}")
    return 0


def _down(cluster: Cluster, options: argparse.Namespace) -> int:
    cluster.down(purge=options.purge)
    return 0


def _status(cluster: Cluster, _: argparse.Namespace) -> int:
    check_rights()
    parts = cluster.components()
    api = any(p.name == "kube-apiserver" and p.healthy for p in parts)
    try:
        pods = cluster.pod_use() if api else []
    except LocalError as error:
        say(f"no word from the kubelet about pods: {error.problem}")
        pods = []
    print(status.table(parts, pods))
    if not any(p.pid for p in parts):
        left = leftovers(cluster.settings, touched=network.was_touched(cluster.settings))
        print(f"\nnot running{'; left over: ' + ', '.join(left) if left else ''}")
    else:
        print(
            f"\nexport KUBECONFIG={cluster.kubeconfig} PATH={cluster.settings.bin}:$PATH\nlogs: {cluster.settings.logs}"
        )
    return 0 if all(p.healthy for p in parts) else 1


def _env(cluster: Cluster, _options: argparse.Namespace) -> int:
    """The cluster's programs, then this environment's (`samplerctl`, `kubectl sampler`)."""
    assert cluster.helm.program  # built if nothing has needed it yet, and put beside kubectl
    places = f"{cluster.settings.bin}:{Path(sys.executable).parent}"
    print(f'export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}\nexport PATH={shlex.quote(places)}:"$PATH"')
    return 0


def _build(cluster: Cluster, _: argparse.Namespace) -> int:
    tools.ensure(cluster.settings, [*PROGRAMS, "helm", "coredns", "pause"])
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m local.cluster", description="The local single-node Kubernetes cluster."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start it, or mend what is missing")
    up.add_argument("--gateway", action="store_true", help="with Envoy Gateway and a Gateway edge/edge")
    up.set_defaults(act=_up)
    down = commands.add_parser("down", help="end it and leave nothing behind")
    down.add_argument("--purge", action="store_true", help="also drop imported images and logs")
    down.set_defaults(act=_down)
    commands.add_parser("status", help="pid, memory and health of everything").set_defaults(act=_status)
    shell = commands.add_parser(
        "env", help='for a shell: eval "$(... env)" puts kubectl, helm and samplerctl on its path'
    )
    shell.set_defaults(act=_env)
    commands.add_parser("build", help="only build the programs, into the cache").set_defaults(act=_build)
    return top


def run_command(act: object) -> int:
    """Run a command; what a person can mend is told in a line, without a traceback."""
    assert callable(act)
    try:
        return int(act())
    except LocalError as error:
        print(f"error: {error.text()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `make cluster-down` clears what was begun, `make cluster-up` goes on", file=sys.stderr)
        return 130


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    options = parser().parse_args(argv)
    return run_command(lambda: options.act(Cluster(), options))


if __name__ == "__main__":
    raise SystemExit(main())
