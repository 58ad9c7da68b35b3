"""Any cluster: the one that the kubeconfig's current context leads to (`CLUSTER=current`).

It is somebody's. What we put into it is in namespaces of our own, and goes again; nothing of the machine is touched.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from local import addons, namespaces, systemimages, tools
from local.client import Helm, Kubectl
from local.errors import LocalError
from local.gateway import elsewhere
from local.gateway.install import Edge
from local.imagestore import Archives, Way
from local.machine import check_rights
from local.progress import step, wait_for
from local.prometheus import ELSEWHERE
from local.reach import ThroughApiServer
from local.settings import Settings, load
from local.shell import run

_ROLLOUTS = "samplerrollouts.samplerrollouts.io"
_NAMES = "{range .items[*]}{.metadata.namespace}/{.metadata.name} {end}"
_NODES = '{range .items[*]}{.metadata.name}={.status.nodeInfo.architecture}{"\\n"}{end}'


class CurrentCluster:
    """The cluster of one context, whatever becomes the current one while we work."""

    prometheus = ELSEWHERE
    namespaces = (ELSEWHERE.namespace,)
    to_try = Path(__file__).parent / "demo" / "to_try_elsewhere.txt"

    def __init__(self, settings: Settings, context: str, way: Way, kubectl: Kubectl) -> None:
        self.settings, self.context, self.kubectl = settings, context, kubectl
        self._made = False
        """Whether it is this run that has put Prometheus in: an earlier one may have been left on purpose."""
        self.images = Archives(settings, kubectl, way)
        self.reach = ThroughApiServer(kubectl, settings)

    @classmethod
    def of(cls, env: Mapping[str, str]) -> CurrentCluster:
        """Read what the user says. Raises LocalError, and has touched nothing then."""
        way = Way.parse(env.get("IMAGES", ""))
        settings = load()
        kubectl = tools.ensure(settings, ["kubectl"])["kubectl"]
        context = current_context(kubectl)
        permit(context, env.get("CONTEXT", ""), way.context)
        settings = pinned(settings, kubectl, context)
        return cls(settings, context, way, Kubectl(settings))

    @property
    def name(self) -> str:
        """For messages."""
        return f"the cluster of context {self.context}"

    @property
    def clearing(self) -> str:
        """Only its owner knows whether the operator may go."""
        return "uninstall it there if nobody needs it, or take another cluster"

    @property
    def rest(self) -> str:
        """What a person does about what is left of us."""
        return "the last lines of local/demo/to_try_elsewhere.txt take out the rest"

    @property
    def kubeconfig(self) -> Path:
        """A copy of the user's, with this context alone."""
        return self.settings.kubeconfig

    @cached_property
    def helm(self) -> Helm:
        """Runs helm."""
        return Helm(self.settings)

    def check(self) -> None:
        """Refuse a cluster that does not answer, or whose nodes cannot run our images."""
        check_rights("the build of images")
        try:
            said = self.kubectl("get", "nodes", "-o", f"jsonpath={_NODES}", "--request-timeout=10s", timeout=30).split()
        except LocalError as error:
            remedy = f"`kubectl --context {self.context} get nodes` must work; nothing was touched"
            raise LocalError(f"{self.name} does not answer", remedy, error.detail) from None
        others = [node for node in said if not node.endswith("=amd64")]
        if others or not said:
            problem = f"{self.name} has {', '.join(others) or 'no nodes'}, and our images are for x86-64"
            raise LocalError(problem, "take a cluster with amd64 nodes alone; nothing was touched")
        if others := self._rollouts_of_others():
            raise LocalError(
                f"{self.name} has {', '.join(others)}, which the operator that is put in for a while would act on",
                "take another cluster; nothing was touched",
            )

    def _rollouts_of_others(self) -> list[str]:
        """SamplerRollouts in namespaces that we have not made; a few of them."""
        defined = self.kubectl("get", "crd", f"{_ROLLOUTS}", "--ignore-not-found", "-o", "name")
        said = self.kubectl("get", _ROLLOUTS, "-A", "-o", f"jsonpath={_NAMES}").split() if defined.strip() else []
        ours = namespaces.ours(self.kubectl) if said else frozenset()
        others = sorted(one for one in said if one.partition("/")[0] not in ours)
        return [f"SamplerRollout {one}" for one in others[:3]] + (["others"] if len(others) > 3 else [])

    def lives(self) -> bool:
        """Always."""
        return True

    def clear_dead(self) -> bool:
        """Nothing of it is ours to remove."""
        return False

    def up(self) -> None:
        """It is up. What it lacks is a Prometheus that finds the samplers, whatever else it may have of the kind."""
        self.check()
        self._made = namespaces.claim(self.kubectl, ELSEWHERE.namespace)
        image = systemimages.prometheus(self.settings)
        systemimages.load(self.images, {"prometheus": image})
        made = ELSEWHERE.render(self.images.named(image.name), self.settings.scrape_interval, "emptyDir: {}")
        with step(f"installing Prometheus into {self.name}"):
            self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=made)
            ready = (
                "Prometheus to be ready",
                lambda: addons.available(self.kubectl, ELSEWHERE.namespace, "prometheus"),
            )
            wait_for(*ready, timeout=180, remedy=f"see `kubectl get pods -n {ELSEWHERE.namespace}` there")

    def gateway(self) -> Edge:
        """Make a Gateway, where Envoy Gateway is installed. Raises NoGatewayError where it is not."""
        return elsewhere.ensure(self.kubectl, self.reach)

    def leave(self, *, refused: bool = False) -> None:
        """Take Prometheus out again, and the Gateway if there is one; after a refusal only what was put in now."""
        if refused and not self._made:
            return
        namespaces.remove(self.kubectl, elsewhere.NAME)
        namespaces.remove(self.kubectl, ELSEWHERE.namespace)
        self.kubectl("delete", "clusterrole,clusterrolebinding", ELSEWHERE.role, "--ignore-not-found")

    def down(self) -> None:
        """Not ours to end."""
        self.leave()

    def processes(self) -> Mapping[str, int]:
        """None on this machine."""
        return {}

    def build_images(self, *names: str, programs: Sequence[str] = ()) -> dict[str, str]:
        """Build images from the working tree and bring them to the nodes. Return name to `name@sha256:...`."""
        from local.images import build_images  # noqa: PLC0415 - images need the local cluster's module

        return build_images(self.settings, self.images, names, programs=programs)


def current_context(kubectl: Path) -> str:
    """The name of the user's current context."""
    try:
        return run([kubectl, "config", "current-context"]).strip()
    except LocalError as error:
        place = os.environ.get("KUBECONFIG") or "~/.kube/config"
        if not any(Path(one).expanduser().exists() for one in place.split(os.pathsep)):
            remedy = "set KUBECONFIG (`sudo KUBECONFIG=$HOME/.kube/config make ...`); nothing was touched"
            raise LocalError(f"CLUSTER=current: the kubeconfig {place} does not exist", remedy) from None
        problem = f"CLUSTER=current: the kubeconfig (KUBECONFIG: {place}) has no current context"
        raise LocalError(problem, "`kubectl config use-context NAME`; nothing was touched", error.detail) from None


def permit(current: str, said: str, made: str) -> None:
    """Refuse a context that nobody has named: neither ``said`` by the user, nor ``made`` by the tool of `IMAGES`."""
    if said and said != current:
        raise LocalError(
            f"CONTEXT={said} is not the kubeconfig's current context, which is {current}",
            f"`kubectl config use-context {said}`, or CONTEXT={current} if that one is meant; nothing was touched",
        )
    if made and current != made:
        raise LocalError(
            f"IMAGES= brings images into the cluster of context {made}, and the current context is {current}",
            f"`kubectl config use-context {made}`, or other IMAGES; nothing was touched",
        )
    if current not in (said, made):
        raise LocalError(
            f"CLUSTER=current installs the operator into the cluster of context {current}, and removes it afterwards",
            f"say CONTEXT={current} if that one is meant; nothing was touched",
        )


def pinned(settings: Settings, kubectl: Path, context: str) -> Settings:
    """Copy the one context into a folder that only this user may enter, and that goes with this process.

    It holds keys. Whatever the user's kubeconfig says later, what we do goes to this cluster.
    """
    folder = Path(tempfile.mkdtemp(prefix="sampler-rollouts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = replace(settings, run=folder, through_proxy=True)
    made.kubeconfig.touch(mode=0o600)
    made.kubeconfig.write_text(
        run([kubectl, "config", "view", "--minify", "--flatten", "--raw", f"--context={context}"])
    )
    return made
