"""Tokens per second of a sampler server at 1, 4 and 8 concurrent requests, and the share of a step that sampling takes.

python benchmarks/server_throughput.py                       # starts a server with the real model
python benchmarks/server_throughput.py -- --vocab-shards 4   # with other flags of `samplerd serve`
python benchmarks/server_throughput.py --url http://...      # measures one that runs; not the share
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
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jax
import numpy as np
from samplerd.jax_setup import configure_jax
from samplerd.models import load_model
from samplerd.program import idle_rows, production_program, serving_step
from samplerd.settings import Settings

PROMPT = "Tell me about the rivers of Europe."
CONCURRENCY = (1, 4, 8)
TOP_P = 0.99


async def one(client: httpx.AsyncClient, tokens: int, seed: int, temperature: float) -> tuple[int, float, float]:
    """Tokens, seconds to the first piece, seconds in all."""
    body = {
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": tokens,
        "temperature": temperature,
        "top_p": TOP_P,
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
    command += ["--batch-sizes", ",".join(map(str, CONCURRENCY))]
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
    for concurrency in CONCURRENCY:
        await measure(url, concurrency, 3 * concurrency, options.tokens, options.temperature)


def sampling_share(temperature: float, rounds: int = 24) -> None:
    """The serving step on one device beside the model alone, in turns: the difference is sampling.

    Logits are the model's own, after a prompt that is read token by token.
    """
    configure_jax()
    model = load_model(Settings())
    prompt = model.tokenizer.encode_chat([("user", PROMPT)])
    print("batch    step (ms)  model (ms)  sampling")
    for size in CONCURRENCY:
        rows = idle_rows(size, model)
        rows.temperature[:], rows.top_p[:] = temperature, TOP_P
        step = jax.jit(partial(serving_step, model, production_program(model)), donate_argnums=1)
        decode = jax.jit(model.decode, donate_argnums=1)
        whole, alone = model.empty_cache(size), model.empty_cache(size)
        times: tuple[list[float], list[float]] = ([], [])
        for place in range(len(prompt) + rounds):
            tokens = np.full(size, prompt[place % len(prompt)], np.int32)
            rows.position[:] = place + 1
            rows.seed[:, 0] = np.arange(size) + place * size
            seconds, (whole, *_) = timed(step, model.weights, whole, tokens, rows)
            times[0].append(seconds)
            seconds, (_, alone) = timed(decode, model.weights, alone, tokens, np.full(size, place, np.int32))
            times[1].append(seconds)
        both, model_only = (statistics.median(each[len(prompt) :]) for each in times)
        print(f"{size:5d}  {1e3 * both:11.2f}  {1e3 * model_only:10.2f}  {max(0.0, 1 - model_only / both):8.1%}")


def timed(run: Any, *arguments: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    made = jax.block_until_ready(run(*arguments))
    return time.perf_counter() - began, made


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
        sampling_share(options.temperature)


if __name__ == "__main__":
    main()
