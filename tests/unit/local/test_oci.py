"""Images and archives made by hand."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from local.buildstore import layer_bytes, read_image
from local.errors import LocalError
from local.oci import Blob, _Reader, archive, blob, image


def _read(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


def _archive(name: str, manifest: Blob, blobs: list[Blob]) -> dict[str, bytes]:
    out = io.BytesIO()
    archive(name, manifest, blobs, out)
    return _read(out.getvalue())


def test_the_same_files_make_the_same_image(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"binary")
    program.chmod(0o755)
    first = image({"/program": program}, {"Entrypoint": ["/program"]})
    program.touch()
    assert [b.digest for b in image({"/program": program}, {"Entrypoint": ["/program"]})] == [b.digest for b in first]
    layer = first[0].source
    assert isinstance(layer, bytes)
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        member = tar.getmember("program")
        assert (member.mode, member.uid, member.mtime) == (0o755, 0, 0)


def test_every_blob_of_an_archive_has_the_hash_that_it_is_named_by(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"content")
    *blobs, manifest = image({"/f": file}, {})
    files = _archive("localhost/x:1", manifest, blobs)
    for name, data in files.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    index = json.loads(files["index.json"])
    assert index["manifests"][0]["digest"] == manifest.digest
    assert index["manifests"][0]["annotations"] == {"io.containerd.image.name": "localhost/x:1"}
    assert next(iter(files)) == "oci-layout"


def test_blobs_that_are_there_already_may_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"content")
    *_, manifest = image({"/f": file}, {})
    names = _archive("localhost/x:1", manifest, [])
    assert [n for n in names if n.startswith("blobs/")] == [manifest.name]


@pytest.mark.parametrize("portion", [1, 3, 7, 1000])
def test_a_blob_in_pieces_is_read_whole(portion: int) -> None:
    pieces = [b"", b"ab", b"", b"cdefg", b"h", b""]
    reader = _Reader(Blob("d", 8, lambda: iter(pieces)))
    read = []
    while data := reader.read(portion):
        read.append(data)
    assert b"".join(read) == b"abcdefgh"
    assert all(len(d) == portion for d in read[:-1])


def _store(tmp_path: Path) -> tuple[Path, bytes]:
    """A store as buildah leaves it: one layer, its files unpacked, and the frame of its archive."""
    content = b"x" * 2_000_000
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("app/", b""), ("app/big", content), ("app/empty", b"")):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    layer = out.getvalue()
    at = layer.index(content)
    store = tmp_path / "store"
    diff = store / "overlay" / "id" / "diff" / "app"
    diff.mkdir(parents=True)
    (diff / "big").write_bytes(content)
    (diff / "empty").touch()
    frame = [
        {"type": 1, "name": "app/", "payload": None},
        {"type": 2, "payload": base64.b64encode(layer[:at]).decode()},
        {"type": 1, "name": "app/big", "size": len(content), "payload": "c2Vl"},
        {"type": 2, "payload": base64.b64encode(layer[at + len(content) :]).decode()},
        {"type": 1, "name": "app/empty", "payload": None},
    ]
    home = store / "overlay-layers"
    home.mkdir()
    with gzip.open(home / "id.tar-split.gz", "wt") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in frame)
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    (home / "layers.json").write_text(json.dumps([{"id": "base"}, {"id": "id", "diff-digest": digest}]))
    config = blob(b'{"config": {}}')
    manifest = {"config": {"digest": config.digest}, "layers": [{"digest": digest, "size": len(layer)}]}
    images = store / "overlay-images"
    (images / "img").mkdir(parents=True)
    (images / "images.json").write_text(json.dumps([{"id": "other"}, {"id": "img", "names": ["localhost/x:latest"]}]))
    (images / "img" / "manifest").write_text(json.dumps(manifest))
    (images / "img" / "=other").write_bytes(b"signature")
    assert isinstance(config.source, bytes)
    (images / "img" / "=config").write_bytes(config.source)
    return store, layer


def test_a_layer_is_put_together_again_byte_for_byte(tmp_path: Path) -> None:
    store, layer = _store(tmp_path)
    assert b"".join(layer_bytes(store, "id")) == layer


def test_an_image_is_read_out_of_the_store(tmp_path: Path) -> None:
    store, layer = _store(tmp_path)
    manifest, (config, found) = read_image(store, "localhost/x:latest")
    assert config.source == b'{"config": {}}'
    files = _archive("localhost/x@" + manifest.digest, manifest, [config, found])
    assert files[found.name] == layer


def test_what_the_store_lacks_is_named(tmp_path: Path) -> None:
    store, _ = _store(tmp_path)
    with pytest.raises(LocalError, match="no image localhost/y"):
        read_image(store, "localhost/y:latest")
    (store / "overlay-layers" / "layers.json").write_text("[]")
    with pytest.raises(LocalError, match="lacks the layer sha256:"):
        read_image(store, "localhost/x:latest")
    (store / "overlay-images" / "images.json").write_text("{")
    with pytest.raises(LocalError, match="cannot be read"):
        read_image(store, "localhost/x:latest")
