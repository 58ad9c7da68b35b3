"""The manifests that the demo applies: one example with an image put in, nothing else changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "demo-rollout.yaml"
NAMESPACE, NAME = "demo", "chat"
# The operator's word for the default context class; the Service that clients use is named after it.
SERVICE = f"{NAME}-standard"


def write(out: Path, number: int, image: str, model: str) -> Path:
    """Write the manifest of a release and return its path."""
    manifest = render(EXAMPLE, image, model)
    path = out / f"release-{number}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    return path


def render(example: Path, image: str, model: str) -> dict[str, Any]:
    """An example with the image in every pool, and the model that the samplers are to load."""
    made: dict[str, Any] = yaml.safe_load(example.read_text(encoding="utf-8"))
    for pool in made["spec"]["pools"]:
        pool["image"] = image
        for variable in pool["template"]["env"]:
            if variable["name"] == "SAMPLER_MODEL":
                variable["value"] = model
    return made


def pools(model: str, example: Path = EXAMPLE) -> list[dict[str, Any]]:
    """The pools of an example, with the model that the samplers are to load and no image yet."""
    found: list[dict[str, Any]] = render(example, "", model)["spec"]["pools"]
    return found


def differences(paths: Mapping[int, Path]) -> list[str]:
    """What differs between the releases but for their images. The story rests on there being nothing."""
    bare = {number: _without_images(path) for number, path in paths.items()}
    first = min(bare)
    return [
        f"the manifest of release {n} differs from release {first}'s in more than its image"
        for n in bare
        if bare[n] != bare[first]
    ]


def quality_text(path: Path) -> str:
    """The quality block as it was applied."""
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
    return yaml.safe_dump({"quality": spec["quality"]}, sort_keys=False)


def _without_images(path: Path) -> Any:
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    for pool in manifest["spec"]["pools"]:
        pool["image"] = ""
    return manifest
