"""The compile cache: a folder of programs that must never reach another kind of processor."""

from pathlib import Path

import jax
import numpy as np
import pytest
from samplerd.jax_setup import cache_folder, processor
from samplerd.preflight.compile_cache import counted_hits, fresh_cache

ZEN = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
cpu MHz\t\t: 2400.000
flags\t\t: fpu sse2 avx avx2 avx512f

processor\t: 1
vendor_id\t: AuthenticAMD
"""


def test_a_processor_is_known_by_what_code_can_depend_on() -> None:
    assert processor(ZEN) == processor(ZEN.replace("2400", "1800").replace("processor\t: 0", "processor\t: 7"))
    others = [ZEN.replace(" avx512f", ""), ZEN.replace("17", "18"), ZEN.replace("AuthenticAMD", "GenuineIntel")]
    assert len({processor(text) for text in (ZEN, *others)}) == 4


def test_an_arm_processor_is_known_too() -> None:
    arm = "processor\t: 0\nFeatures\t: fp asimd sve\nCPU part\t: 0xd40\n"
    assert processor(arm)
    assert processor(arm) != processor(arm.replace(" sve", ""))


@pytest.mark.parametrize("text", ["", "processor\t: 0\ncpu MHz\t: 1\n"])
def test_an_unknown_processor_has_no_cache(tmp_path: Path, text: str) -> None:
    assert processor(text) is None
    assert cache_folder(tmp_path, text) is None


def test_each_kind_of_processor_has_its_own_folder(tmp_path: Path) -> None:
    one, other = cache_folder(tmp_path, ZEN), cache_folder(tmp_path, ZEN.replace(" avx2", ""))
    assert one is not None
    assert other is not None
    assert one.parent == other.parent == tmp_path
    assert one != other
    assert one.is_dir()


def test_a_folder_that_cannot_be_made_means_compiling(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert cache_folder(tmp_path / "file", ZEN) is None
    assert "no compile cache" in caplog.text


def test_a_filled_folder_serves_from_a_read_only_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled = cache_folder(tmp_path, ZEN)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    assert cache_folder(tmp_path, ZEN) == filled
    assert cache_folder(tmp_path, ZEN.replace(" avx2", "")) is None


def test_a_program_that_was_cut_off_is_never_used() -> None:
    """As by a server that was killed while it wrote. It is compiled anew, and so is what others find there."""

    def computed() -> list[float]:
        return np.asarray(jax.jit(lambda number: number * 3 + 1)(np.arange(5.0))).tolist()

    with fresh_cache() as folder, counted_hits() as hits:
        right = computed()
        assert computed() == right
        assert len(hits) == 1
        (program,) = folder.glob("*-cache")
        program.write_bytes(program.read_bytes()[:-9])
        for _ in range(2):
            with pytest.warns(UserWarning, match="Error reading persistent compilation cache"):
                assert computed() == right
        assert len(hits) == 1


def test_a_folder_that_takes_nothing_costs_time_alone() -> None:
    with fresh_cache() as folder, counted_hits() as hits:
        folder.rmdir()
        folder.write_text("")
        with pytest.warns(UserWarning, match="persistent compilation cache"):
            assert jax.jit(lambda number: number * 5 - 1)(np.arange(3.0)).tolist() == [-1.0, 4.0, 9.0]
        assert hits == []
        folder.unlink()
        folder.mkdir()
