"""Locks, atomic writes, hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.files import content_hash, lock, new_directory, write_if_changed


def test_a_directory_takes_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    final = tmp_path / "made"
    with pytest.raises(FileNotFoundError), new_directory(final) as tmp:
        (tmp / "half" / "way").touch()
    assert list(tmp_path.iterdir()) == []
    with new_directory(final) as tmp:
        (tmp / "whole").touch()
        assert not final.exists()
    assert [p.name for p in final.iterdir()] == ["whole"]


def test_a_new_directory_replaces_the_old_one(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with new_directory(tmp_path / "made") as tmp:
            (tmp / name).touch()
    assert [p.name for p in (tmp_path / "made").iterdir()] == ["new"]


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "file"
    assert write_if_changed(file, "a", 0o600)
    before = file.stat()
    assert not write_if_changed(file, "a")
    assert file.stat().st_ino == before.st_ino
    assert before.st_mode & 0o777 == 0o600
    assert write_if_changed(file, "b")
    assert file.read_text() == "b"


def test_a_key_is_nobody_elses_for_no_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, seen = tmp_path / "key", []
    stale = tmp_path / f".key.tmp{os.getpid()}"
    stale.touch(0o644)  # as a killed run with the same pid left it

    def watched(fd: int, *args: Any, **keywords: Any) -> Any:
        seen.append(os.fstat(fd).st_mode & 0o777)
        return fdopen(fd, *args, **keywords)

    fdopen = os.fdopen
    monkeypatch.setattr(os, "fdopen", watched)
    assert write_if_changed(file, "secret", 0o600)
    assert write_if_changed(tmp_path / "public", "plain")
    assert seen == [0o600, 0o600], "each is made private"
    assert [path.stat().st_mode & 0o777 for path in (file, tmp_path / "public")] == [0o600, 0o644]


def test_a_new_directory_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    for name, mode in {"open": 0o755, "keys": 0o700}.items():
        with new_directory(tmp_path / name, mode) as tmp:
            assert tmp.stat().st_mode & 0o077 == 0
        assert (tmp_path / name).stat().st_mode & 0o777 == mode


def test_the_hash_sees_names_modes_and_contents_and_nothing_else(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    file = tree / "sub" / "a.py"
    file.write_text("x")
    seen = {content_hash([tree], base=tmp_path)}
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "a.pyc").write_text("compiled")
    assert {content_hash([tree], base=tmp_path)} == seen
    file.write_text("y")
    seen.add(content_hash([tree], base=tmp_path))
    file.chmod(0o755)
    seen.add(content_hash([tree], base=tmp_path))
    file.rename(tree / "a.py")
    seen.add(content_hash([tree], base=tmp_path))
    seen.add(content_hash([tree], "extra", base=tmp_path))
    assert len(seen) == 5


def test_words_of_a_hash_do_not_run_into_each_other() -> None:
    assert content_hash([], "ab", "c") != content_hash([], "a", "bc")


def test_a_lock_keeps_another_process_out_and_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys; from pathlib import Path; from local.files import lock\n"
        "with lock(Path(sys.argv[1]), 'it'): print('in', flush=True)"
    )
    with lock(path, "it"):
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert other.stderr is not None
        assert b"waiting for another run that holds it" in other.stderr.readline()
        assert other.poll() is None
    out, _ = other.communicate(timeout=20)
    assert out == b"in\n"
