"""What the audit costs: two servers that differ in the audit share alone, measured in turns in one run.

python benchmarks/audit_cost.py                       # the real model; shares 0 and the default
python benchmarks/audit_cost.py --share 100% -- --model synthetic

Turns alternate, so that what else runs on the machine hits both alike. Processor time a token is the steadier figure
on a busy machine; requests bring no seed, so that calibration is worked out too.
"""

import argparse
import asyncio
import os
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from server_throughput import started

PROMPT = "Tell me about the rivers of Europe."


@dataclass
class Server:
    share: str
    url: str
    pid: int
    speeds: list[float] = field(default_factory=list)
    """Tokens a second, a turn each."""
    costs: list[float] = field(default_factory=list)
    """Processor milliseconds a token."""


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def turn(server: Server, requests: int, tokens: int) -> None:
    body = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": tokens, "temperature": 0.7}
    async with httpx.AsyncClient(base_url=server.url, timeout=600) as client:
        used, began = processor_seconds(server.pid), time.monotonic()
        answers = await asyncio.gather(*(client.post("/v1/chat/completions", json=body) for _ in range(requests)))
        seconds, used = time.monotonic() - began, processor_seconds(server.pid) - used
    drawn = sum(answer.json()["usage"]["completion_tokens"] for answer in answers)
    server.speeds.append(drawn / seconds)
    server.costs.append(1000 * used / drawn)


def report(without: Server, audited: Server) -> None:
    print(f"load {os.getloadavg()[0]:.1f}; medians of {len(without.speeds)} turns each")
    print("share   tokens/s   processor ms/token")
    for server in (without, audited):
        print(f"{server.share:>5}  {statistics.median(server.speeds):9.1f}  {statistics.median(server.costs):19.3f}")
    slower = [1 - b / a for a, b in zip(without.speeds, audited.speeds, strict=True)]
    dearer = [b / a - 1 for a, b in zip(without.costs, audited.costs, strict=True)]
    for name, ratios in (("throughput lost", slower), ("processor time added", dearer)):
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{name}: median {middle:+.1%}, quartiles {low:+.1%} and {high:+.1%} (turn by turn)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", default="1%", help="the audited server's share")
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--requests", type=int, default=8, help="a turn, all at once")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("arguments", nargs="*", help="further arguments of `samplerd serve`, after --")
    options = parser.parse_args()
    with ExitStack() as stack:
        servers = []
        for share in ("0", options.share):
            url, pid = stack.enter_context(started(["--audit-share", share, *options.arguments]))
            servers.append(Server(share, url, pid))
        for number in range(options.turns + 1):
            for server in servers if number % 2 else reversed(servers):
                asyncio.run(turn(server, options.requests, options.tokens))
        for server in servers:
            del server.speeds[0], server.costs[0]  # warms up
        report(*servers)


if __name__ == "__main__":
    main()
