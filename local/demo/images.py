"""The images of the story. A good second build is made here; all others come from the project's image step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.cluster import Cluster
from local.ctr import NAMESPACE, Ctr
from local.oci import Blob, blob
from local.shell import run

SEEDED = ("rare-token-boost", "approximate-top-k")
_LABEL = "org.opencontainers.image.version"


def ensure(cluster: Cluster) -> dict[str, str]:
    """Build what is missing and import it. Return image references by role, each by digest."""
    names = ("operator", "sampler", *(f"seeded:{fault}" for fault in SEEDED))
    built = cluster.build_images(*names)
    seeded = {fault: built[f"seeded:{fault}"] for fault in SEEDED}
    return {
        "operator": built["operator"],
        "good-1": built["sampler"],
        "good-2": another_build(cluster, built["sampler"], "2"),
        **seeded,
    }


def another_build(cluster: Cluster, reference: str, version: str) -> str:
    """Import the same image with another label, and so another digest. Return its reference."""
    repository, _, digest = reference.partition("@")
    manifest = _content(cluster, digest)
    settings = _content(cluster, manifest["config"]["digest"])
    changed, config = relabelled(manifest, settings, {_LABEL: version})
    name = f"{repository}@{changed.digest}"
    containers = Ctr(cluster.settings)
    if name not in containers.images():
        # containerd has all layers already: they are the first build's.
        containers.load(name, changed, [config])
    return name


def relabelled(
    manifest: Mapping[str, Any], settings: Mapping[str, Any], labels: Mapping[str, str]
) -> tuple[Blob, Blob]:
    """Return manifest and configuration of the same image with more labels."""
    inner = dict(settings.get("config") or {})
    inner["Labels"] = {**(inner.get("Labels") or {}), **labels}
    config = blob(json.dumps({**settings, "config": inner}, sort_keys=True).encode())
    descriptor = {**manifest["config"], "digest": config.digest, "size": config.size}
    return blob(json.dumps({**manifest, "config": descriptor}, sort_keys=True).encode()), config


def _content(cluster: Cluster, digest: str) -> dict[str, Any]:
    """A JSON document out of containerd's content store."""
    program = Ctr(cluster.settings).program
    place = ("--address", cluster.settings.containerd_socket, "--namespace", NAMESPACE)
    found: dict[str, Any] = json.loads(run([program, *place, "content", "get", digest]))
    return found
