"""Waiting with `kubectl wait`, and for what it cannot tell. Every wait has a deadline and a message."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from local.anycluster import AnyCluster
from local.client import environment
from local.demo.manifests import NAME, NAMESPACE
from local.errors import LocalError


class NotAsToldError(Exception):
    """The story cannot go on: something came out another way."""


def kubectl_wait(cluster: AnyCluster, condition: str, seconds: float, give_up: Callable[[], str]) -> None:
    """Run `kubectl wait --for=condition=...` on the SamplerRollout.

    ``give_up`` is asked meanwhile: a text ends the wait early, because the condition can no longer come true.
    """
    what = f"--for=condition={condition}"
    line = cluster.kubectl.line("wait", what, f"samplerrollout/{NAME}", "-n", NAMESPACE, f"--timeout={seconds:.0f}s")
    words = [str(word) for word in line]
    started = time.monotonic()
    with subprocess.Popen(
        words,
        env=environment(cluster.settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as wait:
        try:
            reason = _until_end(wait, give_up, started + seconds + 10)
        finally:
            if wait.poll() is None:
                wait.kill()
        said = (wait.stderr.read() if wait.stderr else "").strip()
    if reason:
        raise NotAsToldError(f"waited for {condition}: {reason}")
    if wait.returncode != 0:
        raise NotAsToldError(
            f"no condition {condition} within {seconds:.0f} s ({said.splitlines()[-1] if said else 'no word'})"
        )


def _until_end(wait: subprocess.Popen[str], give_up: Callable[[], str], deadline: float) -> str:
    while wait.poll() is None:
        reason = give_up()
        if reason:
            return reason
        if time.monotonic() > deadline:
            return "kubectl wait did not end by itself"
        time.sleep(0.5)
    return ""


def until(what: str, true: Callable[[], bool], seconds: float, every: float = 0.5) -> bool:
    """Whether it came true in time; whoever asks says what that means."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return True
        except LocalError as error:
            if time.monotonic() >= deadline:
                raise LocalError(f"{what}: {error.problem}", error.remedy, error.detail) from None
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
