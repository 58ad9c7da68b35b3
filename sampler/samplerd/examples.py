"""With what each command's help ends: lines that can be typed as they stand, with targets and files of one's own."""

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "samplerd": ("samplerd serve --model synthetic", "samplerd serve --help", "samplerd --install-completion"),
    "serve": (
        "samplerd serve --model synthetic --http-port 8000 --metrics-port 9090",
        "samplerd serve --compile-cache /var/cache/samplerd --preflight-budget 20",
        "SAMPLER_MODEL=synthetic SAMPLER_LOG_LEVEL=debug samplerd serve",
    ),
    "preflight": (
        "samplerd preflight --model synthetic",
        "samplerd preflight --model synthetic --json > before.json",
        "samplerd preflight --model synthetic --preflight-baseline before.json",
    ),
    "lint": ("samplerd lint --model synthetic", "samplerd lint --model smollm2-135m --json"),
    "probe": (
        "samplerd probe --target localhost --rate 2 --duration 60",
        "samplerd probe --judge --target cpu-a/0f3c2a91be=10.0.0.7:9090",
    ),
}
"""By command; the program's own under its name. None is longer than what fits on a line of 80 columns."""


def of(command: str) -> str:
    """The end of its help: a line each, as Typer takes them."""
    return "\n\n".join(["Examples:", *EXAMPLES[command]])
