"""Tokens per second of a running or freshly started sampler server at 1, 4 and 8 concurrent requests.

python benchmarks/server_throughput.py                       # starts a server with the real model
python benchmarks/server_throughput.py --url http://...      # measures one that runs
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

PROMPT = "Tell me about the rivers of Europe."


async def one(client: httpx.AsyncClient, tokens: int, seed: int, temperature: float) -> tuple[int, float, float]:
    """Tokens, seconds to the first piece, seconds in all."""
    body = {
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": tokens,
        "temperature": temperature,
        "seed": seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began, first, count = time.monotonic(), 0.0, 0
    async with client.stream("POST", "/v1/chat/completions", json=body) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: {"):
                first = first or time.monotonic() - began
                count = json.loads(line[6:]).get("usage", {}).get("completion_tokens", count)
    return count, first, time.monotonic() - began


async def measure(url: str, concurrency: int, requests: int, tokens: int, temperature: float) -> None:
    gate = asyncio.Semaphore(concurrency)
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:

        async def gated(seed: int) -> tuple[int, float, float]:
            async with gate:
                return await one(client, tokens, seed, temperature)

        began = time.monotonic()
        results = await asyncio.gather(*(gated(seed) for seed in range(requests)))
        seconds = time.monotonic() - began
    total = sum(count for count, _, _ in results)
    first = statistics.median(first for _, first, _ in results)
    whole = statistics.median(whole for _, _, whole in results)
    print(f"{concurrency:11d}  {total / seconds:8.1f}  {first:9.2f}  {whole:9.2f}  {total:7d}")


@contextmanager
def started(arguments: list[str]) -> Iterator[tuple[str, int]]:
    """A server of our own on a free port: its URL and its process id."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "samplerd", "serve", "--host", "127.0.0.1", "--http-port", str(port)]
    began = time.monotonic()
    process = subprocess.Popen([*command, "--metrics-port", "0", "--drain-delay", "0", *arguments])
    url = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.ConnectError:
                pass
            time.sleep(0.05)
        print(f"ready after {time.monotonic() - began:.1f} s; load {os.getloadavg()[0]:.1f}")
        yield url, process.pid
        with Path(f"/proc/{process.pid}/status").open() as status:
            memory = [line.split()[1] for line in status if line.startswith(("VmRSS", "VmHWM"))]
        print(f"memory: peak {int(memory[0]) >> 10} MiB, now {int(memory[1]) >> 10} MiB; load {os.getloadavg()[0]:.1f}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def run(url: str, options: argparse.Namespace) -> None:
    print("concurrency  tokens/s  first (s)  whole (s)   tokens")
    for concurrency in (1, 4, 8):
        await measure(url, concurrency, 3 * concurrency, options.tokens, options.temperature)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("arguments", nargs="*", help="further arguments of `samplerd serve`, after --")
    options = parser.parse_args()
    if options.url:
        asyncio.run(run(options.url, options))
    else:
        with started(options.arguments) as (url, _):
            asyncio.run(run(url, options))


if __name__ == "__main__":
    main()
