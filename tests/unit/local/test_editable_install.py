"""The packages are found from anywhere, also beside the folders that bear their names."""

from __future__ import annotations

import operator
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = {
    "sampler": "sampler/sampler",
    "samplerd": "sampler/samplerd",
    "sampler_rollouts": "operator/sampler_rollouts",
    "samplerctl": "operator/samplerctl",
    "seeded_builds": "seeded/seeded_builds",
    "quality_contract": "contract/quality_contract",
}
_WHERE = "import importlib.util as u, sys; print(u.find_spec(sys.argv[1]).origin)"


@pytest.mark.parametrize("name", PACKAGES)
def test_from_the_repositorys_root_a_package_is_no_folder_of_its_name(name: str) -> None:
    """In the root `sampler/` could be taken for a package without a file: it must lose to the real one."""
    line = [sys.executable, "-c", _WHERE, name]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert Path(done.stdout.strip()) == ROOT / PACKAGES[name] / "__init__.py"


def test_the_install_is_by_path_file() -> None:
    """An import hook comes after the path, and so after the folders in the working directory."""
    (file,) = Path(sysconfig.get_path("purelib")).glob("*sampler_rollouts*.pth")
    folders = {Path(line) for line in file.read_text().splitlines()}
    assert folders == {(ROOT / package).parent for package in PACKAGES.values()}


def test_the_folder_of_the_operator_hides_nothing_of_the_standard_library() -> None:
    assert Path(str(operator.__file__)).is_relative_to(sysconfig.get_path("stdlib"))
    assert not (ROOT / "operator" / "__init__.py").exists()
