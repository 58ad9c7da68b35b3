"""Reads a built image out of buildah's store, without asking buildah to write it.

`buildah push` compresses every layer again at each push. The store keeps, beside a layer's files, the frame of the
very archive that they came from ("tar split"): file headers as they were, and a mark where each file's content goes.
Putting the two together gives the layer byte for byte, so only layers that containerd lacks need to be read at all.
containerd checks each against its hash: a mistake here is an error there, never a wrong image.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from local.errors import LocalError
from local.oci import Blob, blob

_CHUNK = 1 << 20
_REMEDY = "remove the folder `buildah` in the cache and build again"


def read_image(store: Path, tag: str) -> tuple[Blob, list[Blob]]:
    """Return the manifest and the other blobs (layers, configuration) of an image."""
    image = _find_image(store, tag)
    home = store / "overlay-images" / image["id"]
    manifest = blob((home / "manifest").read_bytes())
    content = json.loads((home / "manifest").read_bytes())
    layers = {layer.get("diff-digest"): layer["id"] for layer in _load(store / "overlay-layers/layers.json")}
    blobs = [_config(home, content["config"]["digest"])]
    for descriptor in content["layers"]:
        digest, size = descriptor["digest"], descriptor["size"]
        if digest not in layers:
            raise LocalError(f"buildah's store lacks the layer {digest} of {tag}", _REMEDY)
        blobs.append(Blob(digest, size, partial(layer_bytes, store, layers[digest])))
    return manifest, blobs


def layer_bytes(store: Path, layer: str) -> Iterator[bytes]:
    """Put a layer's archive together again."""
    files = store / "overlay" / layer / "diff"
    with gzip.open(store / "overlay-layers" / f"{layer}.tar-split.gz", "rt", encoding="utf-8") as frame:
        for line in frame:
            entry = json.loads(line)
            payload = entry.get("payload")
            if entry["type"] == 2:
                yield base64.b64decode(payload)
            elif payload:
                # The payload is a checksum; only files with content have one.
                yield from _file_bytes(files / _name(entry))


def _name(entry: dict[str, Any]) -> str:
    raw = entry.get("name_raw")
    name = base64.b64decode(raw).decode("utf-8", "surrogateescape") if raw else entry["name"]
    return str(name).lstrip("/")


def _file_bytes(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _find_image(store: Path, tag: str) -> dict[str, Any]:
    for image in _load(store / "overlay-images/images.json"):
        if tag in image.get("names", []):
            return dict(image)
    raise LocalError(f"buildah's store has no image {tag}", _REMEDY)


def _config(home: Path, digest: str) -> Blob:
    for file in home.glob("=*"):
        data = file.read_bytes()
        if f"sha256:{hashlib.sha256(data).hexdigest()}" == digest:
            return blob(data)
    raise LocalError(f"buildah's store lacks an image's configuration {digest}", _REMEDY)


def _load(path: Path) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise LocalError(f"buildah's store cannot be read: {error}", _REMEDY) from error
    return found
