"""Each image's bill of materials, held against what is installed in the image itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.anycluster import AnyCluster
from tests.support.bills import LISTING, differences
from tests.support.rollouts import Rollouts
from tests.support.waiting import wait_for

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


@pytest.fixture(scope="module")
def space(cluster: AnyCluster) -> Iterator[Rollouts]:
    made = Rollouts(cluster, "test-sbom")
    made.create_namespace()
    yield made
    made.delete_namespace(wait=False)


@pytest.mark.parametrize(("image", "pinned"), [("operator", ["operator"]), ("sampler", ["sampler-cpu", "model"])])
def test_the_bill_is_what_is_installed(space: Rollouts, images: dict[str, str], image: str, pinned: list[str]) -> None:
    said = json.loads(output(space, image, images[image], LISTING, f"/usr/share/sbom/{image}.cdx.json"))
    assert differences(said["bill"], said["installed"]) == set()
    assert differences(said["bill"], said["seeded"]) == {"+ pypi seeded-package 1.0"}

    of_python = [one for one in said["bill"]["components"] if one.get("purl", "").startswith("pkg:pypi/")]
    allowed = "".join((REQUIREMENTS / f"{name}.txt").read_text() for name in pinned)
    assert len(of_python) > 10
    assert [one["name"] for one in of_python if f"--hash=sha256:{one['hashes'][0]['content']}" not in allowed] == []


def output(space: Rollouts, name: str, image: str, script: str, *arguments: str) -> str:
    """What a script says that an image's own Python runs."""
    container = {
        "name": "said",
        "image": image,
        "command": ["python3", "-c", script, *arguments],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    space.apply(pod)
    wait_for(f"pod {name}", lambda: space.get("pod", name)["status"]["phase"] in {"Succeeded", "Failed"}, timeout=60)
    return space.kubectl("logs", name)
