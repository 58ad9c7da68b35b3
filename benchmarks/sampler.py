"""The sampler beside others, in one run on one array: milliseconds a step, and as multiples of reading the logits once.

python benchmarks/sampler.py                          # the table
python benchmarks/sampler.py --peer binary_search.py  # also tpu-inference's masks: that file of its wheel
python benchmarks/sampler.py --smollm                 # also nucleus sizes and rates on SmolLM2's own logits

Times are medians over rounds in which all take turns, so that a busy machine slows all of them alike. Draws of ours are
checked against the oracle.
"""

import argparse
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from samplerd import oracle, sampling
from samplerd.audit import drawn_in
from samplerd.jax_setup import configure_jax
from samplerd.rows import Rows

Step = Callable[[], Any]
MASKED = -1e12


def rows_of(count: int, temperature: float, top_k: int, top_p: float) -> Rows:
    return jax.device_put(
        Rows(
            temperature=np.full(count, temperature, np.float32),
            top_k=np.full(count, top_k, np.int32),
            top_p=np.full(count, top_p, np.float32),
            min_p=np.zeros(count, np.float32),
            seed=np.arange(2 * count, dtype=np.uint32).reshape(count, 2),
            position=np.full(count, 7, np.int32),
        )
    )


def by_sorting(logits: jax.Array, key: jax.Array, top_k: int, top_p: float) -> jax.Array:
    """What most JAX samplers do: sort everything, cut, draw over everything."""
    ordered = jnp.sort(logits, axis=1)[:, ::-1]
    if top_k:
        logits = jnp.where(logits < ordered[:, top_k - 1 : top_k], MASKED, logits)
        ordered = jnp.where(jnp.arange(logits.shape[1]) < top_k, ordered, MASKED)
    if top_p < 1:
        reached = jnp.cumsum(jax.nn.softmax(ordered, axis=1), axis=1)
        last = jnp.sum(reached < top_p, axis=1, keepdims=True)
        logits = jnp.where(logits < jnp.take_along_axis(ordered, last, axis=1), MASKED, logits)
    return jax.random.categorical(key, logits, axis=1)


def by_masks(masks: Any, logits: jax.Array, key: jax.Array, top_k: int, top_p: float) -> jax.Array:
    """tpu-inference: bisection for the k-th logit, bisection for the nucleus, categorical."""
    if top_k:
        logits = masks.topk_mask(logits, top_k, MASKED)
    if top_p < 1:
        logits = masks.topp_mask(logits, top_p, MASKED)
    return jax.random.categorical(key, logits, axis=1)


def by_partition(logits: npt.NDArray[np.float32], rng: np.random.Generator, top_k: int, top_p: float) -> Any:
    """NumPy, row by row; only with a top-k."""
    drawn = []
    for row in logits:
        best = np.argpartition(row, -top_k)[-top_k:]
        best = best[np.argsort(-row[best])]
        shares = np.exp(row[best] - row[best[0]])
        shares /= shares.sum()
        count = int(np.searchsorted(np.cumsum(shares), top_p)) + 1
        drawn.append(rng.choice(best[:count], p=shares[:count] / shares[:count].sum()))
    return drawn


def timed(steps: dict[str, Step], budget: float) -> dict[str, float]:
    """Median seconds of each, all in turns.

    Quick ones run often in each turn, so that they find their own data in the processor's cache and not the last one's.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    repeats = {name: _repeats(step) for name, step in steps.items()}
    end = time.monotonic() + budget
    while time.monotonic() < end or min(map(len, times.values())) < 2:
        for name, step in steps.items():
            if sum(times[name]) > budget / 3 and len(times[name]) >= 2:
                continue
            jax.block_until_ready(step())
            times[name] += [_seconds(step) for _ in range(repeats[name])]
    return {name: statistics.median(values) for name, values in times.items()}


def _repeats(step: Step, turn: float = 0.02) -> int:
    """How often a step runs in one turn."""
    jax.block_until_ready(step())
    return max(1, min(20, int(turn / _seconds(step))))


def _seconds(step: Step) -> float:
    began = time.perf_counter()
    jax.block_until_ready(step())
    return time.perf_counter() - began


def check(logits: npt.NDArray[np.float32], rows: Rows, got: Any, most: int = 16) -> int:
    wrong = 0
    host = jax.device_get(rows)
    for row in range(min(most, len(logits))):
        low, high = (int(word) for word in host.seed[row])
        request = oracle.Request(
            float(host.temperature[row]), int(host.top_k[row]), float(host.top_p[row]), low + (high << 32), 7
        )
        wrong += oracle.judge(oracle.expect(logits[row], request), drawn_in(got, row)) is not None
    return wrong


def compare(title: str, logits: npt.NDArray[np.float32], rows: Rows, masks: Any, budget: float) -> None:
    """One line of the table for each sampler."""
    host = jax.device_get(rows)
    temperature, top_k, top_p = float(host.temperature[0]), int(host.top_k[0]), float(host.top_p[0])
    array = jax.device_put(logits)
    floor = jax.jit(partial(jnp.max, axis=1))
    began = time.perf_counter()
    ours = jax.jit(sampling.sample).lower(array, rows).compile()
    compiling = time.perf_counter() - began
    steps: dict[str, Step] = {"read floor (max)": lambda: floor(array), "ours": lambda: ours(array, rows)}
    with jax.enable_x64(False):
        if temperature:
            scaled = jax.device_put(logits / np.float32(temperature))
            key = jax.random.key(0)
            sort = jax.jit(partial(by_sorting, top_k=top_k, top_p=top_p)).lower(scaled, key).compile()
            steps["sort + categorical"] = lambda: sort(scaled, key)
            if masks is not None:
                masked = jax.jit(partial(by_masks, masks, top_k=top_k, top_p=top_p)).lower(scaled, key).compile()
                steps["tpu-inference masks"] = lambda: masked(scaled, key)
            if top_k:
                numbers, rng = np.asarray(scaled), np.random.default_rng(0)
                steps["NumPy argpartition"] = lambda: by_partition(numbers, rng, top_k, top_p)
        else:
            argmax = jax.jit(partial(jnp.argmax, axis=1)).lower(array).compile()
            steps["jnp.argmax"] = lambda: argmax(array)
        found = timed(steps, budget)
    got = ours(array, rows)
    certified = float(np.mean(np.asarray(got.certified)))
    wrong = check(logits, rows, got)
    load = os.getloadavg()[0]
    print(f"\n{title}: batch {len(logits)}, V {logits.shape[1]}; compiled in {compiling:.1f} s; load {load:.1f}")
    for name, seconds in found.items():
        note = f"   certified {certified:.0%}, wrong {wrong}" if name == "ours" else ""
        times = f"{seconds / found['read floor (max)']:9.1f} x floor {seconds / found['ours']:9.2f} x ours"
        print(f"  {name:22s}{1e3 * seconds:10.3f} ms {times}{note}")


def smollm_logits(steps: int = 96) -> npt.NDArray[np.float32]:
    """SmolLM2's logits along one answer of its own."""
    from samplerd import smollm  # noqa: PLC0415

    model = smollm.load(256)
    tokens = model.tokenizer.encode_chat([("user", "Tell me about the rivers of Europe and why they matter.")])
    decode = jax.jit(model.decode)
    cache, collected = model.empty_cache(1), []
    draw = jax.jit(sampling.sample)
    for position in range(len(tokens) + steps):
        logits, cache = decode(
            model.weights, cache, np.array([tokens[position]], np.int32), np.array([position], np.int32)
        )
        if position >= len(tokens) - 1:
            collected.append(np.asarray(logits[0]))
            rows = rows_of(1, 1.0, 0, 1.0)._replace(position=np.array([position + 1], np.int32))
            tokens.append(int(draw(logits, rows).token[0]))
    return np.stack(collected[:steps])


def smollm(masks: Any, budget: float) -> None:
    logits = smollm_logits()
    draw = jax.jit(sampling.sample)
    for temperature, top_p in ((0.7, 0.95), (0.7, 0.99), (1.0, 0.95), (1.0, 0.99)):
        rows = rows_of(len(logits), temperature, 0, top_p)
        got = draw(logits, rows)
        kept = np.sort(np.asarray(got.kept))
        sizes = " ".join(f"{quantile:.0%}: {int(np.quantile(kept, quantile))}" for quantile in (0.1, 0.5, 0.9, 1.0))
        certified, wrong = float(np.mean(np.asarray(got.certified))), check(logits, rows, got, len(logits))
        print(f"\nSmolLM2, T {temperature}, p {top_p}: nucleus {sizes}; certified {certified:.1%}; wrong {wrong}")
    compare("SmolLM2's logits, p 0.99", logits[:8], rows_of(8, 1.0, 0, 0.99), masks, budget)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="tpu_inference/layers/common/binary_search.py")
    parser.add_argument("--smollm", action="store_true")
    parser.add_argument("--vocabulary", type=int, default=131072)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--budget", type=float, default=3.0, help="seconds for each block")
    options = parser.parse_args()
    configure_jax()
    masks = None
    if options.peer:
        spec = importlib.util.spec_from_file_location("binary_search", options.peer)
        assert spec is not None
        assert spec.loader is not None
        masks = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(masks)
    normal = np.random.default_rng(0).standard_normal((max(options.batches), options.vocabulary)).astype(np.float32)
    for count in options.batches:
        compare("k 50, p 0.95, T 0.7", 3 * normal[:count], rows_of(count, 0.7, 50, 0.95), masks, options.budget)
        compare("greedy", 3 * normal[:count], rows_of(count, 0.0, 0, 1.0), masks, options.budget)
    few = 8
    peaked = 8 * normal[:few]
    compare("p 0.99 alone, peaked", peaked, rows_of(few, 1.0, 0, 0.99), masks, options.budget)
    compare("worst case: flat, p 0.999", 0.01 * normal[:few], rows_of(few, 1.0, 0, 0.999), masks, options.budget)
    compare("no truncation", 3 * normal[:few], rows_of(few, 1.0, 0, 1.0), masks, options.budget)
    if options.smollm:
        smollm(masks, options.budget)


if __name__ == "__main__":
    main()
