"""Flags and environment variables of the operator's process. A flag wins over its variable."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

PREFIX = "SAMPLER_ROLLOUTS_"
EXAMPLES = (
    "python3 -m sampler_rollouts --config config.yaml --check",
    "python3 -m sampler_rollouts --config config.yaml --namespace demo --log-format text",
)
"""With what the help ends."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run."""

    namespaces: tuple[str, ...] = ()
    """Empty: all namespaces."""
    config: str = ""
    log_level: str = "info"
    log_format: str = "json"
    probe_port: int = 8080
    resync: float = 60.0
    threads: int = 8
    check: bool = False
    """Only see whether what the process needs is there."""


def parse(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> Options:
    """Options from the command line and the environment; SystemExit with a message if they are wrong."""
    environ = os.environ if environ is None else environ
    given = vars(_parser(environ).parse_args(arguments))
    named = given.pop("namespace") or [environ.get(variable("namespace"), "")]
    namespaces = dict.fromkeys(name for part in named for name in part.replace(",", " ").split())
    return Options(namespaces=tuple(namespaces), **given)


def variable(name: str) -> str:
    """The environment variable that stands for an option: of namespaces it may hold several."""
    return PREFIX + ("NAMESPACES" if name == "namespace" else name.upper().replace("-", "_"))


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sampler_rollouts",
        description="The operator of SamplerRollouts.",
        epilog=(
            f"Each option but --check has an environment variable, such as {variable('log-level')}; a flag wins.\n\n"
            + "\n  ".join(["examples:", *EXAMPLES])
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def option(name: str, default: str, **kwargs: object) -> None:
        fallback = environ.get(variable(name), default)
        parser.add_argument(f"--{name}", default=fallback, **kwargs)  # type: ignore[arg-type]

    parser.add_argument(
        "--namespace",
        action="append",
        metavar="NAME",
        help="a namespace to watch; repeat it, or separate by commas; absent: all namespaces",
    )
    option(
        "config",
        "",
        help="YAML file: metrics sources, what authors may choose, how far suspicion goes, and who is told",
    )
    option("log-level", "info", type=_one_of("debug", "info", "warning", "error"), help="debug, info, warning or error")
    option("log-format", "json", type=_one_of("json", "text"), help="json or text")
    option("probe-port", "8080", type=_port, help="port of /healthz, /readyz and /metrics; 0 turns them off")
    option("resync", "60", type=_positive, metavar="SECONDS", help="how often all SamplerRollouts are looked at anew")
    parser.add_argument(
        "--check",
        action="store_true",
        help="see whether CRD, the right to list, metrics sources and receivers are there, say so, and end",
    )
    option("threads", "8", type=_count, help="how many calls to the API server are made at the same time")
    return parser


def _one_of(*choices: str) -> Callable[[str], str]:
    """A check of the variable's value too: argparse holds only flags against its own choices."""

    def check(text: str) -> str:
        if text.lower() not in choices:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return check


def _port(text: str) -> int:
    return _within(int(text), 0, 65535)


def _count(text: str) -> int:
    return _within(int(text), 1, 256)


def _positive(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 86400:
        raise argparse.ArgumentTypeError("must lie between 0.1 and 86400")
    return value


def _within(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"must lie between {low} and {high}")
    return value
