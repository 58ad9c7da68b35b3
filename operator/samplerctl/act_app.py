"""The commands by which people act, ``history``, and ``validate``."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from samplerctl import completing, examples
from samplerctl.answering import Json, refuse, show
from samplerctl.errors import InputError
from samplerctl.live_app import Context, Kubeconfig, Name, Namespace, connect
from samplerctl.progress import progress

if TYPE_CHECKING:
    from sampler_rollouts.domain.act import Acts

    from samplerctl.acting import Word
    from samplerctl.kube import Rollouts

Reason = Annotated[str, typer.Option("--reason", help="why; kept with the act, and shown as self-reported")]
By = Annotated[str | None, typer.Option("--by", help="who; default: the name of your account here")]
Release = Annotated[
    str,
    typer.Option(
        "--release",
        help="the hash that is meant; default: the one that it is about now",
        autocompletion=completing.releases,
    ),
]
Wait = Annotated[float, typer.Option(min=0.0, help="seconds to wait for the operator's answer")]
WAIT: Final = 30.0
NOT_DONE: Final = 1
"""The exit code where the operator refused, or has not answered."""
HELP: Final = {
    "promote": "Let a rollout go on that waits for a person, or that holds. It never replaces Passed.",
    "abort": "Take the candidate back from every pool, and hold it.",
    "retry": "Try a release again that was rolled back, or that holds.",
    "pause": "Stop the clocks of the release that the spec asks for. What fails is rolled back all the same.",
    "clear-suspect": "Say that a build which failed elsewhere may go on here.",
    "resume": "Take a pause back. (What spec.paused says is changed in the spec.)",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for act, text in HELP.items():
        app.command(act, help=text, epilog=examples.of(act))(_act(act))
    for command in (rollback, history, validate, selftest):
        app.command(epilog=examples.of(command.__name__))(command)


def _act(act: str) -> Callable[..., None]:
    def command(
        name: Name,
        reason: Reason = "",
        by: By = None,
        release: Release = "",
        wait: Wait = WAIT,
        namespace: Namespace = None,
        kubeconfig: Kubeconfig = None,
        context: Context = None,
        as_json: Json = False,
    ) -> None:
        from samplerctl import acting, acting_shown  # noqa: PLC0415  (help need not wait for NumPy and the client)

        try:
            word = _word(act, by, reason, release)
            found = acting.act_on(connect(kubeconfig, context, namespace), name, word, wait)
        except InputError as error:
            refuse(error)
        show(found, acting_shown.answers, as_json)
        _end([found])

    return command


def rollback(
    name: Annotated[
        str | None, typer.Argument(help="the SamplerRollout; or --suspect", autocompletion=completing.rollouts)
    ] = None,
    suspect: Annotated[
        str, typer.Option(help="image, or its digest: take back every SamplerRollout in which it is tried or serves")
    ] = "",
    all_namespaces: Annotated[
        bool, typer.Option("-A", "--all-namespaces", help="with --suspect: SamplerRollouts of every namespace")
    ] = False,
    reason: Reason = "",
    by: By = None,
    release: Release = "",
    wait: Wait = WAIT,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """Take back what is tried, or in its bake time what serves; with --suspect, a build wherever it is used."""
    from samplerctl import acting, acting_shown, taking_back  # noqa: PLC0415  (as above)

    try:
        if bool(name) == bool(suspect) or (suspect and release):
            raise InputError("rollback: name a SamplerRollout (with --release if you like), or an image with --suspect")
        if name and all_namespaces:
            raise InputError("--all-namespaces goes with --suspect: leave it out, or name an image in place of NAME")
        rollouts = connect(kubeconfig, context, namespace)
        word = _word("rollback", by, reason, release)
        if name:
            found = [acting.act_on(rollouts, name, word, wait)]
        else:
            uses = taking_back.uses_of(rollouts.every(everywhere=all_namespaces), suspect)
            if not uses:
                where = "in any namespace" if all_namespaces else f"in namespace {rollouts.namespace}"
                raise InputError(f"--suspect: no SamplerRollout {where} uses {suspect}")
            found = taking_back.take_back(rollouts, uses, word, wait)
    except InputError as error:
        refuse(error)
    show({"rollouts": found} if suspect else found[0], acting_shown.answers, as_json)
    # What is deleted uses no build any more.
    _end([one for one in found if not suspect or one["answer"] != "deleted"])


def history(
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """How the last rollouts ended, what is held, and what people said (self-reported)."""
    from samplerctl import acting, acting_shown  # noqa: PLC0415  (as above)

    try:
        found = acting.history_result(connect(kubeconfig, context, namespace).get(name))
    except InputError as error:
        refuse(error)
    show(found, acting_shown.history_table, as_json)


def validate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="YAML with SamplerRollouts or ClusterCheckTemplates; -: standard input",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Whether the API server would take files, without asking it: ends with 2 if not, and names field and remedy."""
    from samplerctl import acting_shown  # noqa: PLC0415  (as above)
    from samplerctl.checking import check_file  # noqa: PLC0415

    found = []
    for file in files:
        try:
            found.append(check_file(file))
        except InputError as error:
            if len(files) == 1:
                refuse(error)
            typer.echo(str(error), err=True)  # what is wrong with the others is told all the same
    valid = len(found) == len(files) and all(one["valid"] for one in found)
    show(found[0] if len(files) == 1 else {"valid": valid, "files": found}, acting_shown.checked, as_json)
    if not valid:
        raise typer.Exit(2)


def selftest(
    name: Annotated[
        str | None,
        typer.Argument(help="the SamplerRollout of a cluster; or --file", autocompletion=completing.rollouts),
    ] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="YAML: the SamplerRollout")] = None,
    rps: Annotated[
        float | None, typer.Option(help="each pool's checked requests a second; default: as observed")
    ] = None,
    traffic: Annotated[
        str, typer.Option(help="independent, sticky, bursty or diurnal", autocompletion=completing.traffic)
    ] = "independent",
    runs: Annotated[int, typer.Option(min=1, max=1000, help="rollouts for each incident")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="of the simulation")] = 1,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_json: Json = False,
) -> None:
    """Which check would catch each known incident at this traffic, and after how many requests: 1 if one is missed."""
    from samplerctl import acting_shown  # noqa: PLC0415  (as above)
    from samplerctl import selftest as core  # noqa: PLC0415
    from samplerctl.incidents import INCIDENTS  # noqa: PLC0415
    from samplerctl.rollout_file import read_rollout  # noqa: PLC0415

    try:
        if (name is None) == (file is None):
            raise InputError("selftest: name a SamplerRollout of a cluster, or a file with -f")
        if file is not None:
            if rps is None:
                raise InputError("--rps: a file has no traffic: give the checked requests a second of a pool")
            rollout = read_rollout(file)
        else:
            body = _cluster(kubeconfig, context, namespace).get(name or "")
            rollout, rps = core.of_cluster(body), rps or core.observed_rps(body, time.time())
        with progress("rollouts", runs * len(INCIDENTS)) as tell:
            found = core.selftest(rollout, rps, traffic, runs, seed, tell)
    except InputError as error:
        refuse(error)
    show(found, acting_shown.selftested, as_json)
    if not found["trusted"]:
        raise typer.Exit(NOT_DONE)


def _cluster(kubeconfig: Path | None, context: str | None, namespace: str | None) -> Rollouts:
    """The self-test needs none: InputError says so where there is none."""
    try:
        return connect(kubeconfig, context, namespace)
    except InputError as error:
        raise InputError(f"{error}; without a cluster: selftest -f FILE --rps N") from None


def _word(act: str, by: str | None, reason: str, release: str) -> Word:
    from sampler_rollouts.domain.act import Acts  # noqa: PLC0415  (as above)

    from samplerctl.acting import Word  # noqa: PLC0415

    kind: Acts = Acts(act)
    return Word(kind, by or _account(), reason, release)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _end(found: list[dict[str, Any]]) -> None:
    if any(one["answer"] != "done" for one in found):
        raise typer.Exit(NOT_DONE)
