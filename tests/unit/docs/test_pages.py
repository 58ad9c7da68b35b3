"""What every page promises: links that lead somewhere, commands that `samplerctl` takes, manifests that are right."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml
from sampler_rollouts.domain.resource import KIND, parse_spec
from samplerctl.app import app

from tests.support.pages import DOCS

ROOT = DOCS.parent
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "charts").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"(?ms)^ *```(\w*)\n(.*?)^ *```$")


def named(pages: list[Path]) -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).lower() for head in heads)
    return {re.sub(r"[^\w\- ]", "", head).strip().replace(" ", "-") for head in plain}


@pytest.mark.parametrize("page", named(PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text())
    for link in LINK.findall(text):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def commands(page: Path) -> Iterator[str]:
    """Lines of their own."""
    for line in page.read_text().replace("\\\n", " ").splitlines():
        if found := re.match(r"\s*(?:\$ )?samplerctl ([a-z].+)", line):
            yield re.split(r" #| \|\| |; | > ", found[1])[0].strip()


COMMANDS = [pytest.param(line, id=f"{page.stem}: {line}") for page in PAGES for line in commands(page)]
GROUP: Any = typer.main.get_command(app)


@pytest.mark.parametrize("line", COMMANDS)
def test_samplerctl_takes_the_command(line: str) -> None:
    """As far as it can be told without running it: a file that is only named need not be there."""
    name, *arguments = shlex.split(line)
    try:
        GROUP.commands[name].make_context(name, arguments)
    except click.BadParameter as error:
        if "does not exist" not in error.message:
            raise


@pytest.mark.parametrize("page", named(PAGES))
def test_commands_within_sentences_exist_with_their_options(page: Path) -> None:
    for text in re.findall(r"`samplerctl ([a-z][^`]*)`", page.read_text()):
        name, *arguments = text.split()
        known = {option for one in GROUP.commands[name].params for option in one.opts}
        assert {one.partition("=")[0] for one in arguments if one.startswith("--")} <= known, text


def test_there_are_commands_and_manifests() -> None:
    assert len(COMMANDS) > 5
    assert list(manifests())


@pytest.mark.parametrize("page", named(PAGES))
def test_an_image_is_built_upon_a_base_that_everybody_has_by_digest(page: Path) -> None:
    """The Dockerfile's own is what the local cluster's build makes."""
    for _, block in BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", "").splitlines():
            assert "docker build " not in line or "--build-arg BASE=" in line, line
    for base in re.findall(r"--build-arg BASE=(\S+)", page.read_text()):
        assert re.match(r"debian:12-slim@sha256:(…|[0-9a-f]{64})", base), base


def manifests() -> Iterator[tuple[Path, dict[str, Any]]]:
    for page in PAGES:
        for language, block in BLOCK.findall(page.read_text()):
            if language == "yaml" and f"kind: {KIND}" in block:
                yield from ((page, one) for one in yaml.safe_load_all(block) if one.get("kind") == KIND)


def test_whole_manifests_are_right() -> None:
    for page, one in manifests():
        spec = yaml.safe_load(yaml.safe_dump(one["spec"], allow_unicode=True).replace("sha256:…", "sha256:" + "0" * 64))
        assert parse_spec(spec, one["metadata"]["name"]), page
