"""Locks and atomic writes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.progress import say


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock on the file; say so if another run holds it. The kernel drops it when we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The lock must outlive none of our children: a daemon that inherits it would hold it for ever (O_CLOEXEC).
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that holds {what}")
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def write_if_changed(path: Path, content: str | bytes, mode: int = 0o644) -> bool:
    """Write the file whole or not at all. True if its content differed."""
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.name}.tmp{os.getpid()}")
    tmp.unlink(missing_ok=True)  # of a run that was killed, with another mode
    # A key must not be readable by others for a moment, before the mode is set.
    with os.fdopen(os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o600), "wb") as file:
        file.write(data)
    tmp.chmod(mode)
    tmp.replace(path)
    return True


def link_program(link: Path, target: Path) -> None:
    """Make or turn a symbolic link."""
    if not (link.is_symlink() and link.readlink() == target):
        link.unlink(missing_ok=True)
        link.symlink_to(target)


@contextmanager
def new_directory(final: Path, mode: int = 0o755) -> Iterator[Path]:
    """Give an empty directory that takes its final name and mode when the block ends well; before, only we enter it."""
    final.parent.mkdir(parents=True, exist_ok=True)
    tmp = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        yield tmp
        if final.exists():
            shutil.rmtree(final)
        tmp.chmod(mode)
        tmp.rename(final)
    finally:
        if tmp.exists():
            shutil.rmtree(tmp, ignore_errors=True)


def content_hash(paths: Iterable[Path], *extra: str, base: Path | None = None) -> str:
    """Hash names, modes and contents of the files (folders: all files in them), and the extra words."""
    digest = hashlib.sha256()
    for word in extra:
        digest.update(f"{len(word)}:{word}".encode())
    for path in sorted(_files(paths)):
        name = str(path.relative_to(base)) if base else path.name
        executable = bool(path.stat().st_mode & 0o100)
        digest.update(f"{name}\0{executable}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        elif path.is_file():
            yield path
