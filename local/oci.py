"""OCI images without a builder: a few files become a one-layer image, and archives for containerd."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Blob:
    """Content under its own hash."""

    digest: str
    size: int
    source: bytes | Callable[[], Iterator[bytes]]

    @property
    def name(self) -> str:
        """Path inside an archive."""
        return f"blobs/{self.digest.replace(':', '/')}"


def blob(data: bytes) -> Blob:
    """Wrap bytes."""
    return Blob(f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), data)


def image(files: Mapping[str, Path], config: Mapping[str, Any]) -> list[Blob]:
    """Make an image of these files (path in the image: file here). The manifest is the last blob."""
    layer = blob(_layer(files))
    settings = blob(
        _json(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": dict(config),
                "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
            }
        )
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(settings, _CONFIG_TYPE),
        "layers": [_descriptor(layer, _LAYER_TYPE)],
    }
    return [layer, settings, blob(_json(manifest))]


def archive(name: str, manifest: Blob, blobs: Sequence[Blob], out: IO[bytes]) -> None:
    """Write an archive that containerd imports under the name. Blobs that containerd has already may be left out."""
    entry = {**_descriptor(manifest, MANIFEST_TYPE), "annotations": {"io.containerd.image.name": name}}
    index = {"schemaVersion": 2, "manifests": [entry]}
    with tarfile.open(fileobj=out, mode="w|") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        for item in {b.digest: b for b in [*blobs, manifest]}.values():
            info = tarfile.TarInfo(item.name)
            info.size = item.size
            tar.addfile(info, cast("IO[bytes]", _Reader(item)))
        _add(tar, "index.json", _json(index))


class _Reader:
    """Lets the archive writer read a blob piece by piece."""

    def __init__(self, item: Blob) -> None:
        self.pieces = iter([item.source]) if isinstance(item.source, bytes) else item.source()
        self.rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return exactly that many bytes, or fewer at the end."""
        parts: list[memoryview] = []
        while size > 0:
            if not self.rest:
                piece = next(self.pieces, None)
                if piece is None:
                    break
                self.rest = memoryview(piece)
            parts.append(self.rest[:size])
            size -= len(parts[-1])
            # A view and not a copy: a piece may be a hundred megabytes, and is read in small portions.
            self.rest = self.rest[len(parts[-1]) :]
        return b"".join(parts)


def _descriptor(item: Blob, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": item.digest, "size": item.size}


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _layer(files: Mapping[str, Path]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, source in sorted(files.items()):
            # No time, no owner: the same files always make the same image.
            executable = bool(source.stat().st_mode & 0o111)
            _add(tar, path.lstrip("/"), source.read_bytes(), 0o755 if executable else 0o644)
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = mode
    tar.addfile(info, io.BytesIO(data))
