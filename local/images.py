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
from local.cluster import run_command
from local.ctr import Ctr
from local.errors import LocalError
from local.files import content_hash, lock, write_if_changed
from local.oci import Blob
from local.progress import say, step
from local.settings import Settings, load

TREE = Path(__file__).parent.parent
PREFIX = "localhost/sampler-rollouts"
_SAMPLER_INPUTS = ("requirements/model.txt", "contract/quality_contract", "sampler/samplerd")
_INPUTS = {
    "operator": ("requirements/operator.txt", "contract/quality_contract", "operator/sampler_rollouts"),
    "sampler": _SAMPLER_INPUTS,
    "seeded": (*_SAMPLER_INPUTS, "seeded/seeded_builds"),
}


@dataclass(frozen=True)
class Image:
    """What to build: `operator`, `sampler`, `sampler:PLATFORM` or `seeded:FAULT`."""

    target: str
    variant: str

    @classmethod
    def parse(cls, text: str) -> Image:
        """Read the name that a person gives."""
        target, _, variant = text.partition(":")
        if target not in _INPUTS or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?|", variant):
            raise LocalError(f"no image {text!r}", "use operator, sampler, sampler:PLATFORM or seeded:FAULT")
        if target == "seeded" and not variant:
            raise LocalError("a seeded image needs the fault's name", "for example seeded:rare-token-boost")
        if target == "operator" and variant:
            raise LocalError("the operator has no variants", "use operator")
        return cls(target, variant or ("cpu" if target == "sampler" else ""))

    @property
    def repository(self) -> str:
        """Name without digest."""
        suffix = "" if self.variant in {"", "cpu"} else f"-{self.variant}"
        return f"{PREFIX}/{self.target}{suffix}"

    @property
    def args(self) -> dict[str, str]:
        """Build arguments."""
        return {"operator": {}, "sampler": {"PLATFORM": self.variant}, "seeded": {"FAULT": self.variant}}[self.target]

    def inputs(self, tree: Path) -> list[Path]:
        """Return every file and folder of the working tree that goes into the image."""
        platform = self.variant if self.target == "sampler" else "cpu"
        pins = [] if self.target == "operator" else [f"requirements/sampler-{platform}.txt"]
        return [tree / name for name in ("Dockerfile", ".dockerignore", *pins, *_INPUTS[self.target])]

    def key(self, tree: Path, base_key: str) -> str:
        """Return what changes whenever the image would."""
        return content_hash(self.inputs(tree), self.target, self.variant, base_key, base=tree)


def build_images(settings: Settings, names: Sequence[str], tree: Path = TREE) -> dict[str, str]:
    """Build, import, and return name to `repository@sha256:...`. Unchanged images cost a look at their sources."""
    images = {name: Image.parse(name) for name in names}
    packages.ensure_installed(settings, packages.FOR_IMAGES)
    ctr = Ctr(settings)
    if not ctr.ready():
        raise LocalError("the local cluster's containerd does not answer", "start it with `make cluster-up`")
    buildah = Buildah(settings)
    with lock(settings.cache / "images.lock", "the image builds"):
        base_key = base.ensure(settings, buildah)
        have = ctr.images()
        return {name: _ensure(settings, buildah, ctr, image, tree, base_key, have) for name, image in images.items()}


def _ensure(
    settings: Settings, buildah: Buildah, ctr: Ctr, image: Image, tree: Path, base_key: str, have: set[str]
) -> str:
    for path in image.inputs(tree):
        if not path.exists():
            problem = f"{image.repository} needs {path.relative_to(tree)}, which is not there"
            raise LocalError(problem, "for another platform, pin its JAX in that file")
    key = image.key(tree, base_key)
    note = settings.cache / "images" / f"{image.repository.rpartition('/')[2]}.json"
    known = json.loads(note.read_text()) if note.exists() else {}
    if known.get("key") == key and known["ref"] in have:
        say(f"{image.repository}: unchanged")
        return str(known["ref"])
    tag = f"{image.repository}:latest"
    with step(f"building {image.repository}"):
        buildah.build(tree, tree / "Dockerfile", tag, target=image.target, args=image.args)
    manifest, blobs = buildah.read(tag)
    _check_fault(image, blobs[0])
    ref = f"{image.repository}@{manifest.digest}"
    with step(f"importing {ref}"):
        ctr.load(ref, manifest, blobs)
    write_if_changed(note, json.dumps({"key": key, "ref": ref}))
    return ref


def _check_fault(image: Image, config: Blob) -> None:
    """A seeded image with another fault than its name says would make every test of it a lie."""
    assert isinstance(config.source, bytes)
    env = json.loads(config.source)["config"].get("Env", [])
    faults = [entry for entry in env if entry.startswith("SEEDED_FAULT=")]
    wanted = [f"SEEDED_FAULT={image.variant}"] if image.target == "seeded" else []
    if faults != wanted:
        raise LocalError(f"{image.repository} was built with {faults}, not {wanted}", "the builder's cache is at fault")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m local.images", description="Images for the local cluster.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build from the working tree, import, and print the references")
    build.add_argument("names", nargs="+", metavar="IMAGE", help="operator, sampler, sampler:PLATFORM or seeded:FAULT")
    options = parser.parse_args(argv)

    def act() -> int:
        for name, ref in build_images(load(), options.names).items():
            print(f"{name} {ref}")
        return 0

    return run_command(act)


if __name__ == "__main__":
    raise SystemExit(main())
