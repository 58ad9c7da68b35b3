"""The images of the story. A good second build is made here; all others come from the project's image step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from local.anycluster import AnyCluster
from local.oci import Blob, blob

SEEDED = ("rare-token-boost", "approximate-top-k")
PREFILL_SIZES = "SAMPLER_PREFILL_SIZES"
SECOND_SIZE = "32"
"""The good second build reads prompts in chunks of 32 tokens, the first one of 48: it compiles and runs other programs,
and must give the same tokens."""


def reading_by(size: str) -> tuple[str, ...]:
    """Arguments of a build that reads prompts in such chunks: a flag in an image wins over the manifest's variable."""
    return ("serve", "--prefill-sizes", size)


SECOND_ARGUMENTS = reading_by(SECOND_SIZE)
OTHERS: Mapping[str, str] = {"good-2": SECOND_SIZE}
"""Further good builds: the size of their chunks."""


def ensure(
    cluster: AnyCluster,
    pools: Sequence[Mapping[str, Any]],
    faults: Sequence[str] = SEEDED,
    others: Mapping[str, str] = OTHERS,
) -> dict[str, str]:
    """Build what is missing and import it. Return image references by role, each by digest.

    Their programs for these pools are compiled already: a pod is there in half the time.
    """
    servers = programs(pools)
    seeded = cluster.build_images(*(f"seeded:{fault}" for fault in faults), programs=servers)
    again = [changed for size in others.values() for changed in programs(pools, **{PREFILL_SIZES: size})]
    good = cluster.build_images("operator", "sampler", programs=[*servers, *again])
    return {
        "operator": good["operator"],
        "good-1": good["sampler"],
        **{name: another_build(cluster, good["sampler"], reading_by(size)) for name, size in others.items()},
        **{fault: seeded[f"seeded:{fault}"] for fault in faults},
    }


def programs(pools: Sequence[Mapping[str, Any]], **changed: str) -> list[str]:
    """What each pool's servers compile: their variables, in the words of `build_images`."""
    found = []
    for pool in pools:
        variables = {one["name"]: one["value"] for one in pool["template"]["env"]}
        shards = pool["sampler"].get("vocabShards")
        variables |= {"SAMPLER_VOCAB_SHARDS": str(shards)} if shards else {}
        found.append(" ".join(f"{name}={value}" for name, value in (variables | changed).items()))
    return list(dict.fromkeys(found))


def another_build(cluster: AnyCluster, reference: str, arguments: Sequence[str]) -> str:
    """Bring the image with other arguments for the server to the nodes. Return its reference."""
    store = cluster.images
    manifest, (config, *layers) = store.opened(reference)
    changed, configured = with_arguments(read_json(manifest), read_json(config), arguments)
    name = f"{reference.partition('@')[0]}@{changed.digest}"
    if name not in store.images():
        store.load(name, changed, [configured, *layers])
    return name


def with_arguments(
    manifest: Mapping[str, Any], settings: Mapping[str, Any], arguments: Sequence[str]
) -> tuple[Blob, Blob]:
    """Return manifest and configuration of an image of the same layers whose server gets these arguments."""
    inner = {**(settings.get("config") or {}), "Cmd": [*arguments]}
    config = blob(json.dumps({**settings, "config": inner}, sort_keys=True).encode())
    descriptor = {**manifest["config"], "digest": config.digest, "size": config.size}
    return blob(json.dumps({**manifest, "config": descriptor}, sort_keys=True).encode()), config


def read_json(document: Blob) -> dict[str, Any]:
    """A small blob's content."""
    assert isinstance(document.source, bytes)
    found: dict[str, Any] = json.loads(document.source)
    return found
