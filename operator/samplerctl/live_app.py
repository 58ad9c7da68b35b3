"""The commands that ask a cluster: ``status``, ``explain``, ``watch``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from samplerctl import completing, examples
from samplerctl.answering import Json, refuse, show
from samplerctl.errors import GoneError, InputError, LostError

if TYPE_CHECKING:
    from samplerctl.kube import Rollouts

T = TypeVar("T")
Name = Annotated[str, typer.Argument(help="the SamplerRollout", autocompletion=completing.rollouts)]
Namespace = Annotated[
    str | None,
    typer.Option("-n", "--namespace", help="default: the context's", autocompletion=completing.namespaces),
]
Kubeconfig = Annotated[Path | None, typer.Option(help="default: $KUBECONFIG, or ~/.kube/config")]
Context = Annotated[
    str | None,
    typer.Option(help="of the kubeconfig; default: the current one", autocompletion=completing.contexts),
]

DONE_BADLY = 1
"""The exit code of ``watch --until-done`` where the candidate did not come to serve."""


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (status, explain, watch):
        app.command(epilog=examples.of(command.__name__))(command)


def status(
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """Where a live rollout stands: stage, weights, verdicts, and what the operator says."""
    from samplerctl import live, live_shown  # noqa: PLC0415  (help need not wait for NumPy and the client)

    found = _asked(lambda: live.status_result(connect(kubeconfig, context, namespace).get(name)))
    show(found, live_shown.status_table, as_json)


def explain(
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """The evidence of a live rollout, pool by pool and check by check, and what is missing for a verdict."""
    from samplerctl import live, live_shown  # noqa: PLC0415  (as above)

    found = _asked(lambda: live.explain_result(connect(kubeconfig, context, namespace).get(name)))
    show(found, live_shown.explain_table, as_json)


def watch(
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    every: Annotated[float, typer.Option(min=0.2, help="seconds between two readings")] = 2.0,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="end when no release is under way: 1 if the newest is not Ready")
    ] = False,
    as_json: Json = False,
) -> None:
    """A live rollout on the screen until interrupted; with --json one line for each change. 2 when it is gone."""
    from rich.live import Live  # noqa: PLC0415  (as above)

    from samplerctl import live, live_shown  # noqa: PLC0415
    from samplerctl.output import console  # noqa: PLC0415

    rollouts = _asked(lambda: connect(kubeconfig, context, namespace))
    found = _asked(lambda: live.status_result(rollouts.get(name)))
    before: dict[str, Any] | None = None
    with Live(console=console(), auto_refresh=False) as screen:
        while True:
            if found != before and as_json:
                typer.echo(json.dumps(found, allow_nan=False))
            elif found != before:
                screen.update(live_shown.status_view(found), refresh=True)
            before = found
            if until_done and live.is_done(found):
                raise typer.Exit(0 if live.is_ready(found) else DONE_BADLY)
            time.sleep(every)
            try:
                found = live.status_result(rollouts.get(name))
            except GoneError:
                refuse(InputError(f"{name}: it was deleted while it was watched"))
            except LostError as error:
                refuse(error)
            except InputError as error:  # an API server that is away may come back
                typer.echo(str(error), err=True)


def connect(kubeconfig: Path | None, context: str | None, namespace: str | None) -> Rollouts:
    """The cluster that a kubeconfig names; InputError if it names none."""
    from samplerctl.kube import KubernetesRollouts  # noqa: PLC0415  (as above)

    return KubernetesRollouts(kubeconfig, context, namespace)


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except InputError as error:
        refuse(error)
