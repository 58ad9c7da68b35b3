"""Load on a Service of the cluster that `CLUSTER` says, the demo's unless told otherwise, until Ctrl-C or a SIGTERM.

``python -m local.demo.traffic [--namespace NAME] [--service NAME] [--model NAME] [--api API] [--workers N]``
"""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Sequence

from local.choice import chosen
from local.demo.api import Api
from local.demo.ask import PATHS
from local.demo.load import LoadGenerator
from local.demo.manifests import NAMESPACE, SERVICE
from local.demo.options import MODELS


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, and say every few seconds who answered."""
    parser = argparse.ArgumentParser(prog="python -m local.demo.traffic", description=__doc__)
    parser.add_argument("--model", default=MODELS["smollm2"], help="the model's name in requests (%(default)s)")
    parser.add_argument("--workers", type=int, default=8, help="requests in flight (%(default)s)")
    parser.add_argument("--namespace", default=NAMESPACE, help="the Service's namespace (%(default)s)")
    parser.add_argument("--service", default=SERVICE, help="its name (%(default)s)")
    parser.add_argument("--api", choices=tuple(PATHS), default="chat", help="which endpoint is asked (%(default)s)")
    options = parser.parse_args(argv)
    # In the background of a script SIGINT is ignored, and `kill` sends SIGTERM.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    api = Api(chosen())
    url = api.service_url(options.namespace, options.service)
    try:
        with LoadGenerator(url, model=options.model, workers=options.workers, api=options.api) as load:
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
        failed = load.tally.count() - sum(now.values())
        # At once, also into a file or a pipe.
        print(f"answered in the last {every:.0f} s: {told}; failed so far: {failed}", flush=True)
        before = now


if __name__ == "__main__":
    raise SystemExit(main())
