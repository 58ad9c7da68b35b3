"""The command ``report``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samplerctl import completing, examples
from samplerctl.answering import refuse
from samplerctl.errors import InputError
from samplerctl.live_app import Context, Kubeconfig, Name, Namespace, connect

if TYPE_CHECKING:
    from samplerctl.kube import Rollouts
    from samplerctl.report import Event


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog=examples.of("report"))(report)


def report(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="the HTML file to write")],
    metrics: Annotated[
        str | None, typer.Option(help="address of the Prometheus that scrapes the operator; without it less is drawn")
    ] = None,
    metrics_token: Annotated[Path | None, typer.Option(help="file with a bearer token for it")] = None,
    metrics_ca: Annotated[Path | None, typer.Option(help="file with the CA of its certificate")] = None,
    release: Annotated[
        str,
        typer.Option(help="the release's hash; default: the newest rollout", autocompletion=completing.releases),
    ] = "",
    since: Annotated[str | None, typer.Option(help="draw from so long ago until now: 90m, 6h")] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """One rollout as one HTML page: the sentence, weights and evidence over time, events; it needs nothing else."""
    from samplerctl import attribution, report_page, report_source  # noqa: PLC0415  (help need not wait for NumPy)
    from samplerctl import report as core  # noqa: PLC0415
    from samplerctl.served import name_of  # noqa: PLC0415

    try:
        back = attribution.duration(since) if since else None
        place = report_source.source(metrics, metrics_token, metrics_ca) if metrics else None
        rollouts, now = connect(kubeconfig, context, namespace), datetime.now(UTC)
        body = rollouts.get(name)
        life = core.chosen(body, release)
        told = report_source.read(place, name_of(body), *core.stretch(life, now, back))
        found = core.gather(body, life, _events(rollouts, name), told, now, back)
        _write(output, report_page.render(found))
    except InputError as error:
        refuse(error)
    for text in found.unknown:
        typer.echo(text, err=True)


def _events(rollouts: Rollouts, name: str) -> list[Event]:
    """None where one may not list them: all else can be told."""
    from samplerctl.report import events_of  # noqa: PLC0415  (as above)

    try:
        return events_of(rollouts.events(name))
    except InputError as error:
        typer.echo(f"{error}; the report is without Events", err=True)
        return []


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--output: {path} cannot be written: {error.strerror}") from None
