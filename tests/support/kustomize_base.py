"""The kustomize base, from the chart: ``python -m tests.support.kustomize_base`` writes it. It needs Helm (or Go)."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from local import tools
from local.settings import load

ROOT = Path(__file__).parents[2]
BASE = ROOT / "kustomize" / "base"
MAKER = "python -m tests.support.kustomize_base"
RELEASE = NAMESPACE = "sampler-rollouts"
NO_DIGEST = "sha256:" + "0" * 64
"""What an overlay replaces: pulling it fails, with the reason."""
_OF_HELM = ("helm.sh/chart", "app.kubernetes.io/managed-by", "checksum/config")
_ELSEWHERE = ("CustomResourceDefinition", "Pod")
"""`make crds` copies the first; the second is that of `helm test`."""
Obj = dict[str, Any]


def files() -> dict[str, str]:
    """Content by name. The configuration is a file of its own: kustomize names its ConfigMap by content."""
    config, rest = "", []
    for one in _rendered():
        if one["kind"] == "ConfigMap":
            config = one["data"]["config.yaml"]
        elif one["kind"] not in _ELSEWHERE:
            rest.append(_without_helm(one))
    head = f"# Made from the chart by `{MAKER}`.\n"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return {
        "config.yaml": head + config,
        "operator.yaml": head + yaml.safe_dump_all([namespace, *rest], sort_keys=False, width=120),
    }


def _rendered() -> list[Obj]:
    helm = tools.ensure(load(), ["helm"])["helm"]
    chart = ROOT / "charts" / "sampler-rollouts"
    line = [helm, "template", RELEASE, chart, "-n", NAMESPACE, "--kube-version", "1.36"]
    with tempfile.TemporaryDirectory() as home:
        environ = {f"HELM_{what}_HOME": home for what in ("CACHE", "CONFIG", "DATA")}
        given = ["--set", f"image.digest={NO_DIGEST}"]
        done = subprocess.run([*line, *given], env=environ, capture_output=True, text=True, check=True, timeout=60)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def _without_helm(node: Any) -> Any:
    """Whoever applies it manages it; labels and annotations that speak of Helm would be wrong."""
    if isinstance(node, list):
        return [_without_helm(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_helm(value) for key, value in node.items() if key not in _OF_HELM}
    return {key: value for key, value in kept.items() if not (key == "annotations" and value == {})}


if __name__ == "__main__":
    for name, text in files().items():
        (BASE / name).write_text(text)
