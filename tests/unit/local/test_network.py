"""What carries nobody's name on a machine is touched only if a note says that it is ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from local import network
from local.errors import LocalError
from local.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "cache", run=tmp_path)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine with another kube-proxy's rules; takes note of what would be run."""
    told: list[str] = []

    def run(line: Sequence[object], **_: object) -> str:
        told.append(" ".join(str(word) for word in line))
        return "[]"

    def works(line: Sequence[object], **_: object) -> bool:
        return "table" in line

    monkeypatch.setattr(network, "find", lambda program: program)
    monkeypatch.setattr(network, "run", run)
    monkeypatch.setattr(network, "works", works)
    return told


def test_rules_of_another_kube_proxy_survive(settings: Settings, commands: list[str]) -> None:
    network.remove(settings)
    assert not [line for line in commands if line.startswith("nft delete")]
    assert network.leftovers(settings, touched=False) == []


def test_our_own_rules_go(settings: Settings, commands: list[str]) -> None:
    (settings.run / "kernel-settings.json").write_text("{}")
    network.remove(settings)
    assert "nft delete table ip kube-proxy" in commands
    assert not network.was_touched(settings)


def test_a_kubernetes_node_is_refused(settings: Settings, commands: list[str]) -> None:
    with pytest.raises(LocalError, match="another kube-proxy"):
        network.ensure(settings)
    assert not network.was_touched(settings)
