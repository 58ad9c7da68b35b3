"""The base image that the Dockerfile names, made from Debian packages instead of a registry."""

from __future__ import annotations

import shutil
from pathlib import Path

from local.buildah import Buildah
from local.files import content_hash, new_directory
from local.progress import step
from local.settings import Settings
from local.shell import run
from local.streams import run_slow

NAME = "localhost/sampler-rollouts/base:latest"
_SUITE = "bookworm"
# Python as well, so that the Dockerfile's own installation step finds nothing to do.
_INCLUDE = ("python3", "python3-venv", "ca-certificates")
# As in the official slim images: nobody reads manuals in a container.
_DROPPED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
)
_DOCKERFILE = """\
FROM scratch
COPY . /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["bash"]
"""


def ensure(settings: Settings, buildah: Buildah) -> str:
    """Make the base image when first needed. Return what identifies its content."""
    key = content_hash([], _SUITE, *_INCLUDE, *_DROPPED, _DOCKERFILE)[:12]
    marker = settings.cache / "base" / f"made-{key}"
    if not (marker.exists() and buildah.has(NAME)):
        with step("making the base image from Debian packages (first time about 1 min)"):
            _make(settings, buildah)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    return key


def _make(settings: Settings, buildah: Buildah) -> None:
    with new_directory(settings.cache / "base" / "tree") as tmp:
        root = tmp / "root"
        mirror = _mirror()
        line: list[str | Path] = ["debootstrap", "--variant=minbase", f"--include={','.join(_INCLUDE)}", _SUITE, root]
        # Its mounts (proc and the like) end with the namespace, whatever happens to it.
        run_slow("debootstrap", ["unshare", "--mount", "--propagation", "private", *line, *mirror])
        for name in _DROPPED:
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir(parents=True)
        dockerfile = tmp / "Dockerfile"
        dockerfile.write_text(_DOCKERFILE)
        buildah.build(root, dockerfile, NAME, args={})
    shutil.rmtree(settings.cache / "base" / "tree")


def _mirror() -> list[str]:
    """The mirror that this machine uses for that suite; without one, debootstrap's own default."""
    listing = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {_SUITE}", "Component: main"])
    return listing.split()[:1]
