"""A Git repository on disk, and the GitOps engine that keeps a namespace as the repository says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local import tools
from local.cluster import Cluster
from local.shell import run, tail
from tests.support.waiting import wait_for

Event = dict[str, Any]
SELF_HEAL_SECONDS = 5
"""What the engine waits before it corrects what it has just applied: its default, which is Argo CD's."""


class Repository:
    """A bare repository, which the engine reads, and a working copy, in which a person commits and pushes."""

    def __init__(self, home: Path, branch: str) -> None:
        self.bare = home / "serving.git"
        self.copy = home / "copy"
        self.revisions: list[str] = []
        run(["git", "init", "--quiet", "--bare", f"--initial-branch={branch}", self.bare], env=_environment())
        run(["git", "clone", "--quiet", self.bare, self.copy], env=_environment())
        self._git("checkout", "--quiet", "-B", branch)

    def commit(self, message: str, files: Mapping[str, str]) -> str:
        """Write files, commit and push; returns the revision."""
        for name, text in files.items():
            file = self.copy / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        return self._push()

    def revert(self) -> str:
        """`git revert` of the last commit, and push; returns the new revision."""
        self._git("revert", "--no-edit", "HEAD")
        return self._push()

    def _push(self) -> str:
        self._git("push", "--quiet", "origin", "HEAD")
        self.revisions.append(self._git("rev-parse", "HEAD").strip())
        return self.revisions[-1]

    def _git(self, *args: str) -> str:
        return run(["git", *args], cwd=self.copy, env=_environment())


class Engine:
    """The running engine and what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], said: Path, log: Path) -> None:
        self.process = process
        self._said = said
        self._log = log

    def events(self, kind: str = "", *, revision: str = "") -> list[Event]:
        """What it has said, in order: all, of one kind, of one revision."""
        lines = self._said.read_text().split("\n")[:-1]  # the last one may still be written
        found: list[Event] = [json.loads(line) for line in lines]
        return [one for one in found if kind in ("", one["event"]) and revision in ("", one.get("revision"))]

    def wait(self, revision: str, health: str, *, timeout: float) -> Event:
        """Wait until it compares that revision as Synced and of that health; returns what it said."""

        def probe() -> Event:
            assert self.process.poll() is None, f"the engine ended:\n{tail(self._log.read_text())}"
            last = (self.events("compared", revision=revision) or [{}])[-1]
            return last if (last.get("sync"), last.get("health")) == ("Synced", health) else {}

        try:
            return wait_for(f"Synced and {health} at {revision[:10]}", probe, timeout=timeout)
        except AssertionError as error:
            said = "\n".join(json.dumps(one) for one in self.events()[-5:])
            raise AssertionError(f"{error}\n{said}\n{tail(self._log.read_text())}") from None

    def drifted(self) -> list[Event]:
        """Comparisons that found a difference from a revision that had been in the cluster already."""
        reached: set[str] = set()
        found = []
        for one in self.events("compared"):
            if one["sync"] == "Synced":
                reached.add(one["revision"])
            elif one["revision"] in reached:
                found.append(one)
        return found


@contextmanager
def running_engine(
    cluster: Cluster,
    repository: Repository,
    application: Mapping[str, Any],
    *,
    namespace: str,
    settings: Path,
    home: Path,
) -> Iterator[Engine]:
    """The engine, for what an Argo CD Application says, but for the repository and the namespace."""
    program = tools.ensure(cluster.settings, ["gitops"])["gitops"]
    source = application["spec"]["source"]
    line = [
        program, "--repository", repository.bare, "--branch", source["targetRevision"], "--path", source["path"],
        "--application", application["metadata"]["name"], "--namespace", namespace, "--settings", settings,
        "--kubeconfig", cluster.settings.kubeconfig, "--self-heal-after", f"{SELF_HEAL_SECONDS}s",
    ]  # fmt: skip
    said, log = home / "events.jsonl", home / "engine.log"
    with said.open("wb") as out, log.open("wb") as errors, subprocess.Popen(line, stdout=out, stderr=errors) as process:
        try:
            yield Engine(process, said, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _environment() -> dict[str, str]:
    """Without the settings of the user's Git, and of a Git that calls these tests."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    person = {"NAME": "A person", "EMAIL": "person@example.com"}
    names = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in person.items()}
    return {**ours, **names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
