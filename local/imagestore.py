"""Where a cluster's nodes find images: the local cluster's containerd, or what `IMAGES` names for any other cluster."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from local.client import Kubectl
from local.errors import LocalError
from local.oci import Blob, archive
from local.settings import Settings
from local.shell import run

_LOCAL = "localhost"
_OURS = f"{_LOCAL}/"
_WAYS = (
    "use IMAGES=kind:NAME or IMAGES=k3d:NAME for a cluster of that tool, IMAGES=registry.example.com/prefix for a "
    "registry that its nodes pull from, or a command with {archive} in it that loads an OCI archive into all its nodes"
)
_REGISTRY = re.compile(r"(localhost:[0-9]+|[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?)(/[a-z0-9._-]+)+")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class ImageStore(Protocol):
    """Takes images as blobs, under names that begin with `localhost/`."""

    def ready(self) -> bool:
        """Whether it can be asked."""

    def images(self) -> set[str]:
        """Names that need no build to be known to be there."""

    def load(self, name: str, manifest: Blob, blobs: Sequence[Blob]) -> None:
        """Bring an image to the nodes, unless they have it."""

    def named(self, name: str) -> str:
        """By which name pods use it."""

    def opened(self, name: str) -> tuple[Blob, list[Blob]]:
        """The manifest and the other blobs of an image that was loaded, its configuration first."""


@dataclass(frozen=True)
class Way:
    """What `IMAGES` says: the command that takes `{archive}` and `{reference}`, and how names begin there."""

    line: tuple[str, ...]
    registry: str = _LOCAL
    context: str = ""
    """The context that the tool makes for that cluster; none if it makes none."""

    @classmethod
    def parse(cls, text: str) -> Way:
        """Read what a person says. Raises LocalError with the ways that there are."""
        tool, _, name = text.partition(":")
        if tool in _TOOLS and _NAME.fullmatch(name):
            way = cls(
                tuple(word.format(name=name, archive="{archive}") for word in _TOOLS[tool]), _LOCAL, f"{tool}-{name}"
            )
        elif _REGISTRY.fullmatch(text):
            way = cls(("skopeo", "copy", "oci-archive:{archive}", "docker://{reference}"), text)
        elif "{archive}" in text:
            way = cls(tuple(shlex.split(text)))
        else:
            raise LocalError(f"IMAGES={text} does not say how images get onto the nodes", _WAYS)
        if shutil.which(way.line[0]) is None:
            raise LocalError(
                f"IMAGES={text} needs the program {way.line[0]!r}", "install it, or name another way in IMAGES"
            )
        return way

    def words(self, file: Path, reference: str) -> list[str]:
        """The command for one image."""
        return [word.replace("{archive}", str(file)).replace("{reference}", reference) for word in self.line]


_TOOLS = {
    "kind": ("kind", "load", "image-archive", "{archive}", "--name", "{name}"),
    "k3d": ("k3d", "image", "import", "{archive}", "--cluster", "{name}"),
}


class Archives:
    """Each image as an OCI archive, given to the command of `IMAGES`."""

    def __init__(self, settings: Settings, kubectl: Kubectl, way: Way) -> None:
        self._settings, self._kubectl, self._way = settings, kubectl, way
        self._loaded: dict[str, tuple[Blob, list[Blob]]] = {}

    def ready(self) -> bool:
        """The way was looked at when it was chosen."""
        return True

    def images(self) -> set[str]:
        """None: what an image is made of is known from its build, all of whose layers are cached."""
        return set()

    def named(self, name: str) -> str:
        """With the registry in front, as it may be already."""
        return f"{self._way.registry}/{name.removeprefix(_OURS)}" if name.startswith(_OURS) else name

    def load(self, name: str, manifest: Blob, blobs: Sequence[Blob]) -> None:
        """Run the command, unless every node says that it has the image."""
        self._loaded[name] = manifest, list(blobs)
        if self.named(name) in self._on_all_nodes():
            return
        with tempfile.TemporaryDirectory(dir=self._settings.cache) as folder:
            file = Path(folder) / "image.tar"
            with file.open("wb") as out:
                archive(self.named(name), manifest, blobs, out)
            remedy = "the command is that of IMAGES"
            run(self._way.words(file, self.named(name)), timeout=1800, remedy=remedy)

    def opened(self, name: str) -> tuple[Blob, list[Blob]]:
        """As it was loaded, by either name."""
        return next(found for mine, found in self._loaded.items() if name in (mine, self.named(mine)))

    def _on_all_nodes(self) -> set[str]:
        return common_images(json.loads(self._kubectl("get", "nodes", "-o", "json"))["items"])


def common_images(nodes: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of images that every node has. A node tells of its largest fifty: what it leaves out is loaded again."""
    each = [{name for image in node["status"].get("images", []) for name in image["names"] or []} for node in nodes]
    return set.intersection(*each) if each else set()
