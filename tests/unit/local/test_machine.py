"""Whether a machine will do: disk by file system, memory, and what the demo refuses before it begins."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from local import machine, tools
from local.cluster import Cluster
from local.demo import __main__ as demo
from local.demo import ending
from local.errors import LocalError
from local.machine import GIB, check_machine, check_memory
from local.settings import Settings


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Everything on one file system, nothing built yet."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(machine, "_BUILDAHS_TEMPORARY", tmp_path / "tmp")
    monkeypatch.setattr(tools, "go_caches", lambda: (tmp_path / "modules", tmp_path / "objects"))
    return Settings(cache=tmp_path / "cache", run=tmp_path / "run")


def disk(free: float) -> Callable[[Path], SimpleNamespace]:
    return lambda _: SimpleNamespace(free=free * GIB)


def test_what_shares_a_file_system_must_fit_together(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", disk(16.9))
    with pytest.raises(LocalError, match=r"only 16\.9 GiB free on one file system, 17 GiB needed: ") as refusal:
        check_machine(here, ["etcd"])
    for place in ("cache (4)", "run (3)", "modules (3)", "objects (5)", "tmp (2)"):
        assert place in refusal.value.problem
    assert "SAMPLER_ROLLOUTS_CACHE, SAMPLER_ROLLOUTS_RUN, GOMODCACHE, GOCACHE" in refusal.value.remedy
    monkeypatch.setattr(shutil, "disk_usage", disk(17))
    check_machine(here, ["etcd"])


def test_a_small_file_system_is_refused_beside_a_large_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Path("/proc")
    assert small.stat().st_dev != tmp_path.stat().st_dev
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=(2 if place == small else 100) * GIB))
    machine._check_disk([(tmp_path, 50), (small, 2)])
    with pytest.raises(LocalError, match=r"only 2\.0 GiB free on one file system, 3 GiB needed: /proc \(3\)"):
        machine._check_disk([(tmp_path, 50), (small, 3)])


def test_built_programs_need_neither_the_compiler_nor_its_disk(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler() -> tuple[Path, Path]:
        raise AssertionError("asked for")

    program = here.cache / "bin" / tools.key("etcd") / "etcd"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(tools, "go_caches", no_compiler)
    monkeypatch.setattr(shutil, "disk_usage", disk(4))
    check_machine(here, ["etcd"])
    monkeypatch.setattr(shutil, "disk_usage", disk(3.9))
    with pytest.raises(LocalError, match="4 GiB needed"):
        check_machine(here, ["etcd"])


def test_the_compilers_caches_are_asked_for_and_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "run", lambda *_, **__: "/go/mod\n/go/objects\n")
    assert tools.go_caches() == (Path("/go/mod"), Path("/go/objects"))
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LocalError, match=r"'go' is not installed: install Go 1\.21"):
        tools.go_caches()


@pytest.mark.parametrize(("mebibytes", "fine"), [(8191, False), (8192, True)])
def test_too_little_memory_is_refused(tmp_path: Path, mebibytes: int, fine: bool) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 99999999 kB\nMemFree: 5 kB\nMemAvailable: {mebibytes * 1024} kB\n")
    if fine:
        check_memory(8, meminfo)
    else:
        with pytest.raises(LocalError, match=r"only 8\.0 GiB of memory available, 8 GiB needed: end what uses it"):
            check_memory(8, meminfo)


def test_a_kernel_with_the_second_kind_of_control_groups_alone_is_told(
    here: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", disk(100))
    for old, told in ([Path("/old")], False), ([], True):
        groups = SimpleNamespace(v1=old, unified=[Path("/new")])
        monkeypatch.setattr(machine, "Cgroups", lambda *_, groups=groups: groups)
        check_machine(here, [])
        assert ("control groups v2 alone" in capsys.readouterr().err) is told


@pytest.fixture
def nothing_happens(here: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A demo that would write down what it touches."""
    touched: list[str] = []
    monkeypatch.setattr(demo, "chosen", lambda: Cluster(here))

    def noted(what: str) -> Callable[..., int]:
        def act(*_: object, **__: object) -> int:
            touched.append(what)
            return 0

        return act

    monkeypatch.setattr(demo, "tell", noted("the story"))
    monkeypatch.setattr(ending, "close", noted("the cleaning"))
    monkeypatch.setattr(shutil, "disk_usage", disk(100))
    return touched


def test_a_demo_without_root_touches_nothing(
    nothing_happens: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert demo.main([]) == 1
    assert nothing_happens == []
    assert capsys.readouterr().err == "error: the local cluster needs root: run it as root, or with sudo\n"


def test_a_demo_wants_its_memory_unless_it_already_runs(
    nothing_happens: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def short(_: float) -> None:
        raise LocalError("short of memory")

    monkeypatch.setattr(demo, "check_memory", short)
    monkeypatch.setattr(ending, "is_up", lambda _: False)
    assert demo.main([]) == 1
    assert nothing_happens == []
    assert "short of memory" in capsys.readouterr().err
    monkeypatch.setattr(ending, "is_up", lambda _: True)
    assert demo.main([]) == 0
    assert nothing_happens == ["the story", "the cleaning"]
