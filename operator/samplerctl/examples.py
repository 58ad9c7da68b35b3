"""With what each command's help ends: lines that can be typed as they stand, with names and files of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "samplerctl": (
        "samplerctl status chat -n demo",
        "samplerctl simulate --help",
        "samplerctl --install-completion",
    ),
    "status": ("samplerctl status chat -n demo", "samplerctl status chat -n demo --context staging --json"),
    "explain": ("samplerctl explain chat -n demo",),
    "watch": ("samplerctl watch chat -n demo", "samplerctl watch chat -n demo --until-done --json"),
    "promote": ('samplerctl promote chat -n demo --reason "looked at the answers"',),
    "abort": ('samplerctl abort chat -n demo --reason "users report odd answers"',),
    "retry": ('samplerctl retry chat -n demo --reason "it was the balancer"',),
    "pause": ('samplerctl pause chat -n demo --reason "until the incident is over"',),
    "resume": ("samplerctl resume chat -n demo",),
    "clear-suspect": ('samplerctl clear-suspect chat -n demo --reason "another model"',),
    "rollback": (
        'samplerctl rollback chat -n demo --reason "odd answers"',
        "samplerctl rollback --suspect registry.example.com/sampler:v2 -n demo",
        "samplerctl rollback --suspect registry.example.com/sampler:v2 -A",
    ),
    "history": ("samplerctl history chat -n demo", "samplerctl history chat -n demo --json"),
    "validate": ("samplerctl validate rollout.yaml", "kubectl get srl -A -o yaml | samplerctl validate -"),
    "selftest": ("samplerctl selftest chat -n demo", "samplerctl selftest -f rollout.yaml --rps 10"),
    "which": ("samplerctl which 0f3c2a91be-none -n demo",),
    "changes": ("samplerctl changes --since 2h --all-namespaces",),
    "report": (
        "samplerctl report chat -n demo -o chat.html",
        "samplerctl report chat -n demo -o chat.html --metrics http://localhost:9090",
    ),
    "power": (
        "samplerctl power --baseline 0.05% --regression 0.8% --rps 10",
        "samplerctl power --baseline 0.05% --regression 0.8% --tests 12 --max-ratio 2",
    ),
    "replay": ("samplerctl replay recorded.csv --quality rollout.yaml --plot course.html",),
    "simulate": (
        "samplerctl simulate -f rollout.yaml --incident I2 --rps 10 --runs 20",
        "samplerctl simulate -f rollout.yaml --incident honest --rps 10 --plot out.html",
    ),
}
"""By command; the program's own under its name. None is longer than what fits on a line of 80 columns."""


def of(command: str) -> str:
    """The end of its help: a line each, as Typer takes them."""
    return "\n\n".join(["Examples:", *EXAMPLES[command]])
