"""kubectl and helm, bound to one cluster."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from local import tools
from local.files import link_program
from local.settings import Settings
from local.shell import Arg, run


class Kubectl:
    """Runs kubectl against the cluster and returns what it prints."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.program: Path = tools.ensure(settings, ["kubectl"])["kubectl"]

    def line(self, *args: Arg) -> list[Arg]:
        """The full command line, for a caller that runs it itself."""
        return [self.program, "--kubeconfig", self.settings.kubeconfig, *args]

    def __call__(self, *args: Arg, stdin: str | None = None, timeout: float | None = 120) -> str:
        """Run kubectl; a failure is an error with the end of what it said."""
        return run(self.line(*args), stdin=stdin, env=environment(self.settings), timeout=timeout)

    def get(self, kind: str, name: str = "", *, namespace: str = "default", selector: str = "") -> dict[str, Any]:
        """Return an object, or a list of them if no name is given."""
        which = [name] if name else []
        chosen = ["-l", selector] if selector else []
        found: dict[str, Any] = json.loads(self("get", kind, *which, *chosen, "-n", namespace, "-o", "json"))
        return found

    def raw(self, path: str) -> Any:
        """GET a path of the API server and parse the JSON answer."""
        return json.loads(self("get", "--raw", path))


class Helm:
    """Runs helm against the cluster and returns what it prints."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.program: Path = tools.ensure(settings, ["helm"])["helm"]
        if settings.bin.exists():
            # Beside kubectl, for a person who wants to look around.
            link_program(settings.bin / "helm", self.program)

    def __call__(self, *args: Arg, stdin: str | None = None, timeout: float | None = 300) -> str:
        """Run helm; a failure is an error with the end of what it said."""
        line = [self.program, "--kubeconfig", self.settings.kubeconfig, *args]
        return run(line, stdin=stdin, env=environment(self.settings), timeout=timeout)


def environment(settings: Settings) -> dict[str, str]:
    """The user's environment without what would lead the clients elsewhere or make them write into the user's home."""
    proxies = set() if settings.through_proxy else {"http_proxy", "https_proxy", "all_proxy"}
    # Helm would go by some of its own to another server than kubectl.
    ours = {k: v for k, v in os.environ.items() if k.lower() not in proxies and not k.startswith("HELM_")}
    helm = {f"HELM_{what}_HOME": str(settings.run / "helm" / what.lower()) for what in ("CACHE", "CONFIG", "DATA")}
    return {**ours, **helm, "KUBECONFIG": str(settings.kubeconfig), "KUBECACHEDIR": str(settings.run / "kube-cache")}
