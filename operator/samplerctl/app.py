"""The command line. Every command prints a table for people, or JSON with ``--json``."""

from __future__ import annotations

import math
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from samplerctl import act_app, attribution_app, completing, examples, live_app, numbers, output, report_app
from samplerctl.answering import Json, refuse, show
from samplerctl.errors import InputError
from samplerctl.progress import progress

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"samplerctl {installed_version()}")
        raise typer.Exit


@app.callback(epilog=examples.of("samplerctl"))
def samplerctl(
    version: Annotated[  # its callback answers, before a command is asked for
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version, and end")
    ] = False,
) -> None:
    """What the evidence of a sampler's rollout can show, and what it showed."""


def installed_version() -> str:
    """Of the package that pip installed; says so where it runs from a folder that nobody installed."""
    try:
        return metadata.version("sampler-rollouts")
    except metadata.PackageNotFoundError:
        return "unknown (not installed by pip: the checkout's commit, or the image's digest, tells)"


live_app.register(app)
act_app.register(app)
attribution_app.register(app)
report_app.register(app)


@app.command(epilog=examples.of("power"))
def power(
    baseline: Annotated[str, typer.Option(help="stable's rate of bad requests: 0.05% or 0.0005")],
    regression: Annotated[str, typer.Option(help="the candidate's rate that is to be found")],
    share: Annotated[str, typer.Option(help="the candidate's share of the pool's traffic")] = "10%",
    alpha: Annotated[
        str,
        typer.Option(help="chance of a false alarm, over all tests and looks: half of falseRollbackRate"),
    ] = "0.1%",
    max_rate: Annotated[str | None, typer.Option(help="the check's maxRate; default: the baseline")] = None,
    max_ratio: Annotated[
        str | None, typer.Option(help="the check's maxRatio; default: 1, or none where --max-rate is given")
    ] = None,
    ignore_below: Annotated[str, typer.Option(help="the check's ignoreBelow")] = "0",
    tests: Annotated[int, typer.Option(min=1, max=10_000, help="checks times pools, without the replay audit")] = 1,
    design_effect: Annotated[str, typer.Option(help="designEffect: so many times the requests are needed")] = "1",
    pass_confidence: Annotated[str, typer.Option(help="passConfidence")] = "95%",  # noqa: S107 - no password
    honest: Annotated[str | None, typer.Option(help="an honest build's rate, for Passed; default: baseline")] = None,
    rps: Annotated[float | None, typer.Option(help="the pool's checked requests a second")] = None,
    runs: Annotated[int, typer.Option(min=20, max=100_000, help="simulated rollouts")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="of the simulation")] = 1,
    as_json: Json = False,
) -> None:
    """How many candidate requests a check needs to find a regression, beside the fewest that any test needs."""
    from samplerctl import power as core  # noqa: PLC0415  (NumPy loads here: help need not wait for it)

    try:
        if rps is not None:
            numbers.amount("--rps", rps)
        least = core.LEAST_RATE
        rate = numbers.rate("--baseline", baseline, least=least)
        asked = core.Question(
            baseline=rate,
            regression=numbers.rate("--regression", regression, least=least),
            share=numbers.rate("--share", share, least=least),
            alpha=numbers.rate("--alpha", alpha, least=core.LEAST_ALPHA, below=0.5),
            max_rate=rate if max_rate is None else numbers.rate("--max-rate", max_rate, least=least),
            max_ratio=_max_ratio(max_ratio, alone=max_rate is not None),
            ignore_below=numbers.rate("--ignore-below", ignore_below, zero=True, least=least),
            tests=tests,
            pass_confidence=numbers.rate("--pass-confidence", pass_confidence),
            honest=rate if honest is None else numbers.rate("--honest", honest, least=least),
            runs=runs,
            seed=seed,
            design_effect=numbers.at_least("--design-effect", design_effect, 1.0, most=1e3),
        )
        if asked.ignore_below and math.isnan(asked.max_ratio):
            raise InputError("--ignore-below: softens --max-ratio: add for example --max-ratio 2, or leave it out")
        if asked.regression <= asked.allowed:
            raise InputError(
                f"--regression: {regression} is allowed by the margins (up to {numbers.percent(asked.allowed)}): "
                "nothing would find it"
            )
        if asked.fewest * asked.regression > core.MOST_BAD:
            raise InputError(
                f"--regression: {regression} is too near to what the margins allow, {numbers.percent(asked.allowed)}: "
                f"no test finds it within {asked.fewest:,.0f} requests: ask for a larger one"
            )
        with progress("rollouts that failed", runs) as tell:
            detected = core.detection(asked, tell)
        with progress("honest rollouts that passed", runs) as tell:
            found = output.power_result(asked, detected, core.requests_to_pass(asked, tell), rps)
    except InputError as error:
        refuse(error)
    show(found, partial(output.power_table, asked), as_json)


def _max_ratio(text: str | None, *, alone: bool) -> float:
    """As in the resource, a check with a maxRate ``alone`` has no ratio: NaN."""
    if text is None:
        return math.nan if alone else 1.0
    return numbers.at_least("--max-ratio", text, 1.0, most=1e4)


@app.command(epilog=examples.of("replay"))
def replay(
    file: Annotated[Path, typer.Argument(help="CSV: time,check,pool,release,pod,checked_total,bad_total")],
    quality: Annotated[Path, typer.Option(help="YAML: a SamplerRollout, or its quality block alone")],
    plot: Annotated[Path | None, typer.Option(help="write the course of every check as an HTML page")] = None,
    as_json: Json = False,
) -> None:
    """What the operator would have said of recorded raw counters, look by look."""
    from samplerctl import recording as recordings  # noqa: PLC0415  (as above)
    from samplerctl import replay as core  # noqa: PLC0415
    from samplerctl.plot import page  # noqa: PLC0415
    from samplerctl.rollout_file import read_quality  # noqa: PLC0415

    try:
        recording, block = recordings.read(file), read_quality(quality)
        with progress("looks", len(recording.looks)) as tell:
            courses = core.replay(recording, block, tell)
        if plot is not None:
            _write(plot, page(courses, recording.start, block))
    except InputError as error:
        refuse(error)
    for name in core.unknown_checks(recording, block):
        typer.echo(f"check {name}: not in {quality}, so it was not looked at", err=True)
    for name in core.unrecorded_checks(block):
        typer.echo(f"check {name}: a recording holds counts, not nats, so it was not looked at", err=True)
    found = output.replay_result(courses, recording.start, block)
    show(found, partial(output.replay_table, block), as_json)


@app.command(epilog=examples.of("simulate"))
def simulate(
    file: Annotated[Path, typer.Option("-f", "--file", help="YAML: the SamplerRollout")],
    incident: Annotated[str, typer.Option(help="I1, I2, I3a, I3b or honest", autocompletion=completing.incidents)],
    rps: Annotated[float, typer.Option(help="each pool's checked requests a second")],
    traffic: Annotated[
        list[str] | None,
        typer.Option(help="independent, sticky, bursty, diurnal; again for more", autocompletion=completing.traffic),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="the candidate's rate of the incident, for another than its own")
    ] = None,
    usual: Annotated[
        list[str] | None,
        typer.Option(help="CHECK=RATE of both releases; again for more", autocompletion=completing.usual),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="rollouts for each kind of traffic")] = 200,
    scrape: Annotated[
        float, typer.Option(min=1.0, max=600.0, help="seconds between two scrapes, and two looks")
    ] = 15.0,
    ready_after: Annotated[float, typer.Option(min=0.0, help="seconds until a pod is ready")] = 60.0,
    tokens: Annotated[float, typer.Option(min=1.0, help="tokens of an answer, for the audit")] = 300.0,
    seed: Annotated[int, typer.Option(min=0, help="of the simulation")] = 1,
    jobs: Annotated[int | None, typer.Option(min=1, help="processes; default: one for each core")] = None,
    plot: Annotated[Path | None, typer.Option(help="write when rollouts ended, and how, as an HTML page")] = None,
    as_json: Json = False,
) -> None:
    """Whole rollouts through the operator's own decision, with simulated traffic: promoted, rolled back or held."""
    from samplerctl import simulation_shown as shown  # noqa: PLC0415  (as above)
    from samplerctl.simulate import DEFAULT_TRAFFIC, simulate_kinds  # noqa: PLC0415

    try:
        asked = shown.setting(file, incident, rps, rate, usual or [], runs, seed, scrape, ready_after, tokens)
        with progress("rollouts", runs * len(traffic or DEFAULT_TRAFFIC)) as tell:
            found = shown.result(incident, asked, *simulate_kinds(asked, traffic or [], jobs, tell))
        if plot is not None:
            _write(plot, shown.page(found, asked.incident))
    except InputError as error:
        refuse(error)
    show(found, shown.table, as_json)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--plot: {path} cannot be written: {error}") from None
