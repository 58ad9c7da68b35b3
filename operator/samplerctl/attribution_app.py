"""The commands of whoever hears that answers are bad: ``which`` and ``changes``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from samplerctl import examples
from samplerctl.answering import Json, refuse, show
from samplerctl.errors import InputError
from samplerctl.live_app import Context, Kubeconfig, Namespace, connect

if TYPE_CHECKING:
    from samplerctl.kube import Rollouts

All = Annotated[bool, typer.Option("-A", "--all-namespaces", help="SamplerRollouts of every namespace")]
UNKNOWN: Final = 1
"""The exit code of ``which`` where nobody knows the fingerprint."""


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (which, changes):
        app.command(epilog=examples.of(command.__name__))(command)


def which(
    fingerprint: Annotated[str, typer.Argument(help="the system_fingerprint of an answer")],
    all_namespaces: All = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """Which release gave an answer: pool, revision, what changed in it, when it served, its verdict. 1 if unknown."""
    from samplerctl import attribution, attribution_shown  # noqa: PLC0415  (help need not wait for NumPy, the client)

    try:
        revision, route = attribution.fingerprint(fingerprint)
        rollouts = connect(kubeconfig, context, namespace)
        bodies = rollouts.every(everywhere=all_namespaces)
        found = attribution.which_result(bodies, _records(rollouts, revision, all_namespaces), revision, route)
    except InputError as error:
        refuse(error)
    show(found, attribution_shown.which_table, as_json)
    if not found["found"] and not found["records"]:
        raise typer.Exit(UNKNOWN)


def changes(
    since: Annotated[str, typer.Option("--since", help="how far back: 90m, 2h")] = "2h",
    all_namespaces: All = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """What changed lately, in which pool: releases with the share of requests exposed, outside edits, people's acts."""
    from samplerctl import attribution, attribution_shown  # noqa: PLC0415  (as above)

    try:
        back = attribution.duration(since)
        bodies = connect(kubeconfig, context, namespace).every(everywhere=all_namespaces)
    except InputError as error:
        refuse(error)
    now = datetime.now(UTC)
    show(attribution.changes_result(bodies, now - back, now), attribution_shown.changes_table, as_json)


def _records(rollouts: Rollouts, revision: str, everywhere: bool) -> list[dict[str, Any]]:
    """None where one may not list them: status says more."""
    try:
        return rollouts.records(revision, everywhere=everywhere)
    except InputError as error:
        typer.echo(f"{error}; what they would add is left out", err=True)
        return []
