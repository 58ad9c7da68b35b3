"""Load on the demo's Service until Ctrl-C: ``python -m local.demo.traffic [--model NAME] [--workers N]``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from local.cluster import Cluster
from local.demo.api import Api
from local.demo.load import LoadGenerator
from local.demo.manifests import NAMESPACE, SERVICE
from local.demo.options import MODELS


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, and say every few seconds who answered."""
    parser = argparse.ArgumentParser(prog="python -m local.demo.traffic", description=__doc__)
    parser.add_argument("--model", default=MODELS["smollm2"], help="the model's name in requests (%(default)s)")
    parser.add_argument("--workers", type=int, default=8, help="requests in flight (%(default)s)")
    options = parser.parse_args(argv)
    api = Api(Cluster().settings)
    url = f"http://{api.service_ip(NAMESPACE, SERVICE)}"
    try:
        with LoadGenerator(url, model=options.model, workers=options.workers) as load:
            watch(load)
    except KeyboardInterrupt:
        return 0
    finally:
        api.close()
    return 0


def watch(load: LoadGenerator, every: float = 5.0) -> None:
    """Print who answered, for ever."""
    before: dict[str, int] = {}
    while True:
        time.sleep(every)
        now = load.tally.fingerprints()
        new = {name: count - before.get(name, 0) for name, count in now.items() if count > before.get(name, 0)}
        told = ", ".join(f"{name}: {count}" for name, count in sorted(new.items())) or "nobody"
        print(f"answered in the last {every:.0f} s: {told}; failed so far: {load.tally.count() - sum(now.values())}")
        before = now


if __name__ == "__main__":
    raise SystemExit(main())
