"""``python3 -m sampler_rollouts``: the operator's process."""

from __future__ import annotations

import asyncio
import sys

from kubernetes.config import ConfigException

from sampler_rollouts.handlers import app, logs, options
from sampler_rollouts.metrics.config import ConfigError


def main() -> int:
    """Run the operator; the exit status."""
    chosen = options.parse(sys.argv[1:])
    logs.configure(chosen.log_level, chosen.log_format)
    try:
        asyncio.run(app.run(chosen))
    except (ConfigError, ConfigException) as error:
        sys.stderr.write(f"sampler_rollouts: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
