"""The pinned requirements say what pyproject asks for; whether they still resolve is asked in tests/soak."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
EXTRAS = {
    "operator": ["operator"],
    "sampler-cpu": ["sampler", "sampler-cpu", "model"],
    "sampler-gpu": ["sampler", "sampler-gpu", "model"],
    "sampler-tpu": ["sampler", "sampler-tpu", "model"],
    "dev": ["operator", "ctl", "sampler", "sampler-cpu", "model", "dev"],
}
"""Which of pyproject's extras each file pins, as `make requirements` has it."""
PLUGINS = {"sampler-cpu": set(), "sampler-gpu": {"jax-cuda13-plugin", "jax-cuda13-pjrt"}, "sampler-tpu": {"libtpu"}}
"""What makes JAX one of the platform: a set without it would compute on the processor."""


def pins(file: str) -> dict[str, str]:
    """Version by name. Each has a hash, or pip would refuse the file."""
    found = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements" / f"{file}.txt").read_text()):
        pin = re.match(r"([A-Za-z0-9._-]+)==(\S+)", block)
        if pin:
            assert "--hash=sha256:" in block, block
            found[canonicalize_name(pin[1])] = pin[2]
    return found


@pytest.mark.parametrize("file", EXTRAS)
def test_each_file_pins_what_pyproject_asks_for(file: str) -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pinned = pins(file)
    for text in (text for extra in EXTRAS[file] for text in asked[extra]):
        one = Requirement(text)
        version = pinned.get(canonicalize_name(one.name))
        assert version is not None, f"{file}.txt lacks {one.name}: run make requirements"
        assert one.specifier.contains(version), f"{file}.txt has {one.name} {version}, not {one.specifier}"


@pytest.mark.parametrize("file", EXTRAS)
def test_make_requirements_resolves_these_extras(file: str) -> None:
    made = (ROOT / "Makefile").read_text()
    if file in ("sampler-gpu", "sampler-tpu"):
        made = made.replace("sampler-$$platform", file)
    (line,) = re.findall(rf"\$\$C (.*) -o requirements/{file}[.]txt", made)
    assert re.findall(r"--extra (\S+)", line) == EXTRAS[file]


@pytest.mark.parametrize(("file", "plugins"), PLUGINS.items())
def test_a_platforms_set_has_its_plugin_and_no_others(file: str, plugins: set[str]) -> None:
    every = set().union(*PLUGINS.values())
    assert every & pins(file).keys() == plugins


@pytest.mark.parametrize("file", ["sampler-gpu", "sampler-tpu"])
def test_what_platforms_share_is_of_one_version(file: str) -> None:
    """What is tested on processors is what serves elsewhere: JAX, NumPy and the server's own packages."""
    tested = pins("sampler-cpu")
    assert {name: version for name, version in pins(file).items() if tested.get(name, version) != version} == {}
    assert tested.keys() <= pins(file).keys()


@pytest.mark.parametrize("file", [*EXTRAS, "model"])
def test_no_file_names_a_registry(file: str) -> None:
    text = (ROOT / "requirements" / f"{file}.txt").read_text()
    assert not re.search(r"://|^\s*--(index-url|extra-index-url|find-links|trusted-host)", text, re.MULTILINE)
