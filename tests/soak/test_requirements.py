"""Each set of requirements still resolves, to the files that are committed. No cluster; it asks the package index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local.test_requirements import EXTRAS, ROOT, pins


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("file", EXTRAS)
def test_it_resolves_to_the_files_that_are_committed(file: str, tmp_path: Path) -> None:
    """A package that was taken back, whose file was changed, or that needs one more, makes another set or none."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = resolved([text for extra in EXTRAS[file] for text in asked[extra]], pins(file), tmp_path)
    assert found.keys() == pins(file).keys()
    committed = (ROOT / "requirements" / f"{file}.txt").read_text()
    assert [name for name, digest in found.items() if f"--hash=sha256:{digest}" not in committed] == []


def resolved(asked: list[str], constraints: dict[str, str], folder: Path) -> dict[str, str]:
    """The SHA-256 of the file that pip would install, by package.

    Without hashes in what pip is given: it then reads what packages say of themselves, and not gigabytes of wheels.
    """
    wanted, pinned, report = folder / "asked.txt", folder / "pinned.txt", folder / "report.json"
    wanted.write_text("\n".join(asked))
    pinned.write_text("\n".join(f"{name}=={version}" for name, version in constraints.items()))
    options = ("--dry-run", "--ignore-installed", "--quiet", "--report", report, "-r", wanted, "-c", pinned)
    environment = {name: value for name, value in os.environ.items() if name != "PIP_FIND_LINKS"}
    line = [sys.executable, "-m", "pip", "install", *options]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    installed: list[dict[str, Any]] = json.loads(report.read_text())["install"]
    return {one["metadata"]["name"].lower().replace("_", "-").replace(".", "-"): digest(one) for one in installed}


def digest(installed: dict[str, Any]) -> str:
    return str(installed["download_info"]["archive_info"]["hashes"]["sha256"])
