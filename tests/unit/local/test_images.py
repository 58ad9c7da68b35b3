"""Which image is built from what."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from local import base
from local.buildah import parse_pip_config, pip_configuration
from local.errors import LocalError
from local.images import PREFIX, REMEMBERED, TREE, Image, _check_fault, noted, remember
from local.oci import Blob, blob


@pytest.mark.parametrize(
    ("name", "repository", "args"),
    [
        ("operator", "localhost/sampler-rollouts/operator", {}),
        ("sampler", "localhost/sampler-rollouts/sampler", {"PLATFORM": "cpu"}),
        ("sampler:gpu", "localhost/sampler-rollouts/sampler-gpu", {"PLATFORM": "gpu"}),
        (
            "seeded:rare-token-boost",
            "localhost/sampler-rollouts/seeded-rare-token-boost",
            {"FAULT": "rare-token-boost"},
        ),
        ("own-server", "localhost/sampler-rollouts/own-server", {}),
        (
            "own-server:top-token-dropped",
            "localhost/sampler-rollouts/own-server-top-token-dropped",
            {"FAULT": "top-token-dropped"},
        ),
    ],
)
def test_names(name: str, repository: str, args: dict[str, str]) -> None:
    image = Image.parse(name)
    assert (image.repository, image.args) == (repository, args)


def test_an_image_with_compiled_programs_is_another_one_and_only_of_servers() -> None:
    programs = ["SAMPLER_BATCH_SIZES=1", "SAMPLER_BATCH_SIZES=4 SAMPLER_CONTEXT=128"]
    image = Image.parse("seeded:rare-token-boost", programs)
    assert image.repository == "localhost/sampler-rollouts/seeded-rare-token-boost-compiled"
    assert image.stage == "compiled"
    assert image.args == {
        "FAULT": "rare-token-boost",
        "OF": "seeded",
        "PROGRAM": "seeded_builds",
        "PROGRAMS": "SAMPLER_BATCH_SIZES=1; SAMPLER_BATCH_SIZES=4 SAMPLER_CONTEXT=128",
    }
    assert image.key(TREE, "base") != Image.parse("seeded:rare-token-boost", programs[:1]).key(TREE, "base")
    assert Image.parse("operator", programs) == Image.parse("operator")


@pytest.mark.parametrize(
    "name", ["", "web", "seeded", "seeded:", "operator:x", "sampler:../x", "seeded:A b", "sampler:-"]
)
def test_bad_names_are_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(LocalError) as refusal:
        Image.parse(name)
    assert refusal.value.remedy


def test_the_images_of_one_name_that_were_built_last_are_not_built_again(tmp_path: Path) -> None:
    """The demo's and the incidents' images hold other compiled programs under one name: five minutes at each change."""
    note = tmp_path / "sampler-compiled.json"
    for build in ("demo", "incidents", "demo"):
        remember(note, build, f"{PREFIX}/sampler-compiled@sha256:{build}")
    assert list(noted(note)) == ["incidents", "demo"]
    for build in range(REMEMBERED):
        remember(note, str(build), f"{PREFIX}/sampler-compiled@sha256:{build}")
    assert list(noted(note)) == [str(build) for build in range(REMEMBERED)]


@pytest.mark.parametrize("text", ["", "[", '{"key": "0123", "ref": 5}', '{"key": "0123", "ref2": null}'])
def test_a_note_that_says_nothing_is_no_error(tmp_path: Path, text: str) -> None:
    note = tmp_path / "sampler.json"
    note.write_text(text)
    assert noted(note) == {}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what images are made of."""
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(TREE / name, tmp_path)
    for folder in ("requirements", "contract", "operator", "sampler", "seeded"):
        shutil.copytree(TREE / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "rebuilt"),
    [
        ("operator/sampler_rollouts/__init__.py", {"operator"}),
        ("sampler/samplerd/__init__.py", {"sampler", "seeded:x"}),
        ("seeded/seeded_builds/__init__.py", {"seeded:x"}),
        ("contract/quality_contract/__init__.py", {"operator", "sampler", "seeded:x"}),
        ("requirements/operator.txt", {"operator"}),
        ("requirements/sampler-cpu.txt", {"sampler", "seeded:x"}),
        ("requirements/model.txt", {"sampler", "seeded:x"}),
        ("requirements/dev.txt", set()),
        ("Dockerfile", {"operator", "sampler", "seeded:x"}),
    ],
)
def test_a_change_rebuilds_what_it_is_part_of(tree: Path, changed: str, rebuilt: set[str]) -> None:
    images = {name: Image.parse(name) for name in ("operator", "sampler", "seeded:x")}
    before = {name: image.key(tree, "base") for name, image in images.items()}
    with (tree / changed).open("a") as file:
        file.write("\n# changed\n")
    assert {name for name, image in images.items() if image.key(tree, "base") != before[name]} == rebuilt


def test_two_faults_are_two_images(tree: Path) -> None:
    assert Image.parse("seeded:a").key(tree, "base") != Image.parse("seeded:b").key(tree, "base")
    assert Image.parse("seeded:a").key(tree, "base") != Image.parse("seeded:a").key(tree, "other base")


def test_all_inputs_exist_and_are_let_into_the_build() -> None:
    ignore = (TREE / ".dockerignore").read_text().splitlines()
    for name in ("operator", "sampler", "seeded:x"):
        for path in Image.parse(name).inputs(TREE):
            assert path.exists()
            relative = str(path.relative_to(TREE))
            if relative not in {"Dockerfile", ".dockerignore"}:
                assert any(Path(relative).match(line[1:]) for line in ignore if line.startswith("!"))


def test_the_build_asks_no_registry() -> None:
    """The base is made here; a builder of somebody else's names his own with --build-arg BASE=..."""
    lines = (TREE / "Dockerfile").read_text().splitlines()
    defaults = [line.removeprefix("ARG BASE=") for line in lines if line.startswith("ARG BASE=")]
    stages = {line.split()[-1] for line in lines if line.startswith("FROM ")}
    origins = {line.split()[1] for line in lines if line.startswith("FROM ")}
    assert [f"{name}:latest" for name in defaults] == [base.NAME]
    assert base.NAME.startswith("localhost/")
    assert origins - stages == {"${BASE}", "${OF}"}
    assert {line.removeprefix("ARG OF=") for line in lines if line.startswith("ARG OF=")} <= stages


def test_production_targets_know_no_fault() -> None:
    stages = re.split(r"^FROM ", (TREE / "Dockerfile").read_text(), flags=re.M)
    for stage in stages:
        if "seeded" not in stage.splitlines()[0]:
            instructions = [line for line in stage.splitlines() if not line.startswith("#")]
            assert not any("seeded" in line.lower() or "FAULT" in line for line in instructions)


def test_an_image_with_the_wrong_fault_is_refused() -> None:
    def config(*env: str) -> bytes:
        return json.dumps({"config": {"Env": list(env)}}).encode()

    _check_fault(Image.parse("seeded:a"), blob(config("PATH=/bin", "SEEDED_FAULT=a")))
    _check_fault(Image.parse("sampler"), blob(config("PATH=/bin")))
    with pytest.raises(LocalError):
        _check_fault(Image.parse("seeded:b"), blob(config("SEEDED_FAULT=a")))
    with pytest.raises(LocalError):
        _check_fault(Image.parse("sampler"), blob(config("SEEDED_FAULT=a")))


def test_the_hosts_package_source_is_passed_on_and_nothing_else(tmp_path: Path) -> None:
    listing = "\n".join(
        [
            ":env:.default-timeout='180'",
            f":env:.find-links='{tmp_path} /not/there'",
            "global.timeout='5'",
            "global.cert='/etc/mine.crt'",
            "global.user='true'",
            "install.index-url='https://packages.example.com/simple'",
            "list.format='json'",
        ]
    )
    text, folders = pip_configuration(parse_pip_config(listing), certificates=True)
    assert folders == [str(tmp_path)]
    assert text.splitlines() == [
        "[global]",
        "cert = /run/host-certificates.crt",
        "default-timeout = 180",
        f"find-links = {tmp_path} /not/there",
        "index-url = https://packages.example.com/simple",
        "timeout = 5",
    ]


def test_the_environment_wins_over_files() -> None:
    assert parse_pip_config(":env:.timeout='9'\nglobal.timeout='5'") == {"timeout": "9"}


def test_the_second_server_is_built_by_its_own_dockerfile(tree: Path) -> None:
    own = "examples/own-server"
    shutil.copytree(TREE / own, tree / own, ignore=shutil.ignore_patterns("__pycache__"))
    good, bad = Image.parse("own-server"), Image.parse("own-server:x")
    assert (good.dockerfile, good.stage, bad.stage) == (f"{own}/Dockerfile", "own", "broken")
    before = good.key(tree, "base"), Image.parse("sampler").key(tree, "base")
    (tree / own / "sampling.py").write_text("changed")
    assert good.key(tree, "base") != before[0]
    assert Image.parse("sampler").key(tree, "base") == before[1]


def test_the_second_server_has_the_fault_that_its_name_says() -> None:
    _check_fault(Image.parse("own-server"), config_with("PATH=/bin"))
    _check_fault(Image.parse("own-server:x"), config_with("SAMPLING_FAULT=x"))
    for name, entry in (("own-server", "SAMPLING_FAULT=x"), ("own-server:x", "SAMPLING_FAULT=y")):
        with pytest.raises(LocalError):
            _check_fault(Image.parse(name), config_with(entry))


def config_with(entry: str) -> Blob:
    return blob(json.dumps({"config": {"Env": [entry]}}).encode())
