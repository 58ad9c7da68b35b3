"""The three images that the cluster itself needs, made without a builder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import tools
from local.ctr import Ctr
from local.imagestore import ImageStore
from local.oci import image
from local.progress import step
from local.settings import Settings

PREFIX = "localhost/sampler-rollouts-local"


@dataclass(frozen=True)
class SystemImage:
    """What goes into an image, and its name: the name changes with the content."""

    name: str
    files: Mapping[str, Path]
    config: Mapping[str, Any] = field(default_factory=dict)


def pause(settings: Settings) -> SystemImage:
    """The process that holds a pod's namespaces."""
    return _go_image(settings, "pause")


def coredns(settings: Settings) -> SystemImage:
    """The cluster's DNS."""
    return _go_image(settings, "coredns")


def prometheus(settings: Settings) -> SystemImage:
    """What scrapes the samplers."""
    return _go_image(settings, "prometheus")


def ensure(settings: Settings, ctr: Ctr) -> dict[str, str]:
    """Import what containerd does not have yet and return the images' names."""
    wanted = {"pause": pause(settings), "coredns": coredns(settings), "prometheus": prometheus(settings)}
    load(ctr, wanted)
    return {name: item.name for name, item in wanted.items()}


def load(store: ImageStore, wanted: Mapping[str, SystemImage]) -> None:
    """Bring to the nodes what is not known to be there."""
    have = store.images()
    for name, item in wanted.items():
        if item.name in have:
            continue
        with step(f"making the image of {name}"):
            *blobs, manifest = image(item.files, item.config)
            store.load(item.name, manifest, blobs)


def _go_image(settings: Settings, name: str) -> SystemImage:
    program = tools.ensure(settings, [name])[name]
    version = tools.key(tools.TOOLS[name].module).rpartition("-")[2]
    return SystemImage(f"{PREFIX}/{name}:{version}", {f"/{name}": program}, {"Entrypoint": [f"/{name}"]})
