"""What a shell offers for a word that is not finished: names from the cluster, from a file, or known here.

A shell has no place for an error: what cannot be told is not offered. Where nothing is, it completes names of files.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from samplerctl.kube import Rollouts

PATIENCE: Final = 3.0
"""Seconds for all that is asked of a cluster: nobody waits longer for a word that can be typed."""
PLAIN: Final = re.compile(r"\w[\w.:/@%=+-]*")
"""What no shell understands otherwise. What a cluster says is never offered in other letters: zsh evaluates it."""
ROLES: Final = ("candidate", "stable", "verified", "previous")


def rollouts(context: typer.Context) -> list[str]:
    """Names of the namespace's SamplerRollouts."""
    return _plain(_name(one, "name") for one in _asked(context, lambda cluster: cluster.every()))


def namespaces(context: typer.Context) -> list[str]:
    """Those that have a SamplerRollout."""
    return _plain(_name(one, "namespace") for one in _asked(context, lambda cluster: cluster.every(everywhere=True)))


def releases(context: typer.Context) -> list[str]:
    """Hashes that the status of the SamplerRollout knows: those with a role, those that are held, those that ended."""
    # While an option lacks its value, what stands before it is told as left over.
    name = context.params.get("name") or next(iter(context.args), None)
    bodies = _asked(context, lambda cluster: [cluster.get(str(name))]) if name else []
    return _plain(one for body in bodies for one in _hashes(body.get("status") or {}))


def contexts(context: typer.Context) -> list[str]:
    """Of the kubeconfig."""
    found: list[str] = []
    with redirect_stderr(io.StringIO()), suppress(Exception):
        from samplerctl.kube import context_names  # noqa: PLC0415  (only a completion of this needs the client)

        found = context_names(_path(context, "kubeconfig"))
    return _plain(found)


def incidents() -> list[tuple[str, str]]:
    """Those that are known, with what they are."""
    from samplerctl.incidents import INCIDENTS  # noqa: PLC0415  (as above)

    return [(name, incident.words) for name, incident in INCIDENTS.items()]


def traffic() -> list[str]:
    """Kinds that can be simulated."""
    from samplerctl.simulate import TRAFFIC  # noqa: PLC0415  (as above)

    return list(TRAFFIC)


def usual(context: typer.Context) -> list[str]:
    """Checks of the file, each with the rate that it has unless another is given."""
    from sampler_rollouts.domain.decision.quality import quality_plan  # noqa: PLC0415  (as above)

    from samplerctl.incidents import simulated_plans, usual_rates  # noqa: PLC0415
    from samplerctl.not_simulated import simulated  # noqa: PLC0415
    from samplerctl.rollout_file import STANDARD_INPUT, read_rollout  # noqa: PLC0415

    file, rates = _path(context, "file"), {}
    with suppress(Exception):
        if file not in (None, STANDARD_INPUT):
            spec = simulated(read_rollout(file)).spec
            rates = usual_rates(simulated_plans(quality_plan(spec, [pool.name for pool in spec.pools])), {})
    return _plain(f"{check}={100 * rate:.3g}%" for check, rate in rates.items())


def _asked(context: typer.Context, question: Callable[[Rollouts], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """In a thread that is left alone when patience ends: looking up a host or a login may take any time."""
    found: list[dict[str, Any]] = []
    given = context.params.get("context"), context.params.get("namespace")

    def ask() -> None:
        with suppress(Exception):
            found.extend(question(KubernetesRollouts(_path(context, "kubeconfig"), *given)))

    with redirect_stderr(io.StringIO()):
        from samplerctl.kube import KubernetesRollouts  # noqa: PLC0415  (as above)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(PATIENCE)
    return list(found)


def _path(context: typer.Context, option: str) -> Path | None:
    given = context.params.get(option)
    return Path(str(given)).expanduser() if given else None


def _name(body: dict[str, Any], field: str) -> str:
    return str(body["metadata"].get(field, ""))


def _hashes(status: dict[str, Any]) -> Iterator[str]:
    with suppress(AttributeError, TypeError):  # a newer operator may say it otherwise
        yield from (str((status.get(role) or {}).get("hash", "")) for role in ROLES)
        yield from (str(held.get("hash", "")) for held in status.get("failed") or ())
        yield from (str(ended.get("release", "")) for ended in status.get("history") or ())


def _plain(words: Iterable[str]) -> list[str]:
    return sorted({word for word in words if PLAIN.fullmatch(word)})
