"""Images from the working tree, in the cluster's containerd, by digest (`python -m local.images build ...`)."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local import base, packages
from local.buildah import Buildah
from local.cluster import Cluster, run_command
from local.errors import LocalError
from local.files import content_hash, lock, write_if_changed
from local.imagestore import ImageStore
from local.oci import Blob
from local.progress import say, step
from local.settings import Settings

TREE = Path(__file__).parent.parent
PREFIX = "localhost/sampler-rollouts"
_BILL = "local/sbom.py"
_SAMPLER_INPUTS = (_BILL, "requirements/model.txt", "contract/quality_contract", "sampler/samplerd")
_OWN = "examples/own-server"
_SERVERS = {"sampler": "samplerd", "seeded": "seeded_builds"}
_INPUTS = {
    "operator": (_BILL, "requirements/operator.txt", "contract/quality_contract", "operator/sampler_rollouts"),
    "sampler": _SAMPLER_INPUTS,
    "seeded": (*_SAMPLER_INPUTS, "seeded/seeded_builds"),
    "own-server": (_OWN,),
}
_FAULT_VARIABLES = {"seeded": "SEEDED_FAULT", "own-server": "SAMPLING_FAULT"}
REMEMBERED = 4
"""Images of one name that are not built again: those of the demo and of the incidents hold other compiled programs."""
_NAMES = "operator, sampler, sampler:PLATFORM, seeded:FAULT, own-server or own-server:FAULT"


@dataclass(frozen=True)
class Image:
    """What to build, and which of its kind: a platform, or a fault."""

    target: str
    variant: str
    programs: tuple[str, ...] = ()
    """Settings of servers whose programs it holds compiled, each as "VARIABLE=value VARIABLE=value"."""

    @classmethod
    def parse(cls, text: str, programs: Sequence[str] = ()) -> Image:
        """Read the name that a person gives. ``programs`` are for servers alone."""
        target, _, variant = text.partition(":")
        if target not in _INPUTS or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?|", variant):
            raise LocalError(f"no image {text!r}", f"use {_NAMES}")
        if target == "seeded" and not variant:
            raise LocalError("a seeded image needs the fault's name", "for example seeded:rare-token-boost")
        if target == "operator" and variant:
            raise LocalError("the operator has no variants", "use operator")
        compiled = tuple(programs) if target in _SERVERS else ()
        return cls(target, variant or ("cpu" if target == "sampler" else ""), compiled)

    @property
    def repository(self) -> str:
        """Name without digest."""
        suffix = "" if self.variant in {"", "cpu"} else f"-{self.variant}"
        return f"{PREFIX}/{self.target}{suffix}{'-compiled' if self.programs else ''}"

    @property
    def args(self) -> dict[str, str]:
        """Build arguments."""
        name = "PLATFORM" if self.target == "sampler" else "FAULT"
        made = {name: self.variant} if self.variant else {}
        if self.programs:
            made |= {"OF": self.target, "PROGRAM": _SERVERS[self.target], "PROGRAMS": "; ".join(self.programs)}
        return made

    @property
    def stage(self) -> str:
        """The Dockerfile's target."""
        if self.target == "own-server":
            return "broken" if self.variant else "own"
        return "compiled" if self.programs else self.target

    @property
    def dockerfile(self) -> str:
        """Where it is in the tree."""
        return f"{_OWN}/Dockerfile" if self.target == "own-server" else "Dockerfile"

    def inputs(self, tree: Path) -> list[Path]:
        """Return every file and folder of the working tree that goes into the image."""
        platform = self.variant if self.target == "sampler" else "cpu"
        pins = [f"requirements/sampler-{platform}.txt"] if self.target in _SERVERS else []
        return [tree / name for name in (self.dockerfile, ".dockerignore", *pins, *_INPUTS[self.target])]

    def key(self, tree: Path, base_key: str) -> str:
        """Return what changes whenever the image would."""
        return content_hash(self.inputs(tree), self.target, self.variant, *self.programs, base_key, base=tree)


def build_images(
    settings: Settings, store: ImageStore, names: Sequence[str], tree: Path = TREE, programs: Sequence[str] = ()
) -> dict[str, str]:
    """Build, bring to the nodes, and return name to `repository@sha256:...`.

    Unchanged images that are known to be there cost a look at their sources.
    """
    images = {name: Image.parse(name, programs) for name in names}
    packages.ensure_installed(settings, packages.FOR_IMAGES)
    if not store.ready():
        raise LocalError("the local cluster's containerd does not answer", "start it with `make cluster-up`")
    buildah = Buildah(settings)
    with lock(settings.cache / "images.lock", "the image builds"):
        base_key = base.ensure(settings, buildah)
        have = store.images()
        found = {name: _ensure(settings, buildah, store, image, tree, base_key, have) for name, image in images.items()}
    return {name: store.named(reference) for name, reference in found.items()}


def _ensure(
    settings: Settings, buildah: Buildah, store: ImageStore, image: Image, tree: Path, base_key: str, have: set[str]
) -> str:
    for path in image.inputs(tree):
        if not path.exists():
            problem = f"{image.repository} needs {path.relative_to(tree)}, which is not there"
            raise LocalError(problem, "for another platform, pin its JAX in that file")
    key = image.key(tree, base_key)
    note = settings.cache / "images" / f"{image.repository.rpartition('/')[2]}.json"
    known = noted(note)
    if known.get(key) in have:
        say(f"{image.repository}: unchanged")
        return known[key]
    tag = f"{image.repository}:latest"
    with step(f"building {image.repository}"):
        buildah.build(tree, tree / image.dockerfile, tag, target=image.stage, args=image.args)
    manifest, blobs = buildah.read(tag)
    _check_fault(image, blobs[0])
    ref = f"{image.repository}@{manifest.digest}"
    with step(f"importing {ref}"):
        store.load(ref, manifest, blobs)
    remember(note, key, ref)
    return ref


def noted(note: Path) -> dict[str, str]:
    """References by key of what was built under this name, the latest last; nothing if the note cannot be read."""
    try:
        found = json.loads(note.read_text())
    except (OSError, ValueError):
        return {}
    return {key: ref for key, ref in found.items() if isinstance(ref, str) and ref.startswith(PREFIX)}


def remember(note: Path, key: str, ref: str) -> None:
    """Note the latest build beside the ones before it, of which the oldest are forgotten."""
    before = [(old, its) for old, its in noted(note).items() if old != key]
    write_if_changed(note, json.dumps(dict([*before, (key, ref)][-REMEMBERED:]), indent=1))


def _check_fault(image: Image, config: Blob) -> None:
    """A seeded image with another fault than its name says would make every test of it a lie."""
    assert isinstance(config.source, bytes)
    env = json.loads(config.source)["config"].get("Env", [])
    faults = [entry for entry in env if entry.partition("=")[0] in _FAULT_VARIABLES.values()]
    variable = _FAULT_VARIABLES.get(image.target)
    wanted = [f"{variable}={image.variant}"] if variable and image.variant else []
    if faults != wanted:
        raise LocalError(f"{image.repository} was built with {faults}, not {wanted}", "the builder's cache is at fault")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m local.images", description="Images for the local cluster.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build from the working tree, import, and print the references")
    build.add_argument("names", nargs="+", metavar="IMAGE", help=_NAMES)
    options = parser.parse_args(argv)

    def act() -> int:
        for name, ref in Cluster().build_images(*options.names).items():
            print(f"{name} {ref}")
        return 0

    return run_command(act)


if __name__ == "__main__":
    raise SystemExit(main())
