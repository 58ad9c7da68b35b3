"""``python3 -m sampler_rollouts``: the operator's process."""

from __future__ import annotations

import asyncio
import sys

from kubernetes.config import ConfigException

from sampler_rollouts import memory
from sampler_rollouts.handlers import app, logs, options
from sampler_rollouts.metrics.config import ConfigError


def main() -> int:
    """Run the operator; the exit status."""
    memory.keep_freed()
    chosen = options.parse(sys.argv[1:])
    logs.configure(chosen.log_level, chosen.log_format)
    try:
        if chosen.check:
            return _check(chosen)
        asyncio.run(app.run(chosen))
    except (ConfigError, ConfigException) as error:
        sys.stderr.write(f"sampler_rollouts: {error}\n")
        return 2
    return 0


def _check(chosen: options.Options) -> int:
    found = app.check(chosen)
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    return 1 if any(finding.problem for finding in found) else 0


if __name__ == "__main__":
    sys.exit(main())
