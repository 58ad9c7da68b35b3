"""The sampler beside others, in one run on the same arrays: milliseconds, and as multiples of reading the logits once.

python benchmarks/sampler.py                       # against sorting, argmax and NumPy
python benchmarks/sampler.py --tpu-inference tpu_inference/layers/common/binary_search.py
python benchmarks/sampler.py --mlx-lm mlx_lm/sample_utils.py
python benchmarks/sampler.py --smollm --growth     # also SmolLM2's own logits; also more rows and tokens, and memory
python benchmarks/sampler.py --plot out/sampler.svg

The two files are of the wheels tpu-inference (it needs nothing else) and mlx-lm (with mlx and mlx-cpu on PYTHONPATH).
Times are medians, and the best, over rounds in which all take turns, so that a busy machine slows all of them alike.
Each goal is printed beside its figures. Draws of ours are checked against the oracle.
"""

import argparse
import os
import statistics
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from sampler_asked import FLAT, GREEDY, K50, OPEN, P99, VOCABULARY, Asked, megabytes, rows_of, wrong_rows
from sampler_peers import MASKS, MLX, PARTITION, SORT, Modules, Step, loaded, peers
from sampler_report import FLOOR, OURS, Goal, Line, Times, plot
from samplerd import sampling
from samplerd.jax_setup import configure_jax

Logits = npt.NDArray[np.float32]
ALL = {SORT, MASKS, PARTITION, MLX}
FEW = 8
GROWTH = ((1, VOCABULARY), (8, VOCABULARY), (64, VOCABULARY), (512, VOCABULARY), (8, 32768), (8, 262144), (512, 262144))


def timed(steps: dict[str, Step], budget: float) -> dict[str, Times]:
    """Seconds of each, all in turns.

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
    return {name: Times(statistics.median(values), min(values)) for name, values in times.items()}


def _repeats(step: Step, turn: float = 0.02) -> int:
    """How often a step runs in one turn."""
    jax.block_until_ready(step())
    return max(1, min(20, int(turn / _seconds(step))))


def _seconds(step: Step) -> float:
    began = time.perf_counter()
    jax.block_until_ready(step())
    return time.perf_counter() - began


def compare(
    title: str,
    logits: Logits,
    asked: Asked,
    modules: Modules,
    budget: float,
    *,
    goals: tuple[Goal, ...] = (),
    chosen: set[str] = ALL,
) -> Line:
    """Time all samplers on one array and print what they took."""
    array, rows = jax.device_put(logits), rows_of(len(logits), asked)
    floor = jax.jit(partial(jnp.max, axis=1))
    began = time.perf_counter()
    ours = jax.jit(sampling.sample).lower(array, rows).compile()
    compiling = time.perf_counter() - began
    steps: dict[str, Step] = {FLOOR: lambda: floor(array), OURS: lambda: ours(array, rows)}
    seconds = timed(steps | peers(logits, asked, modules, chosen), budget)
    got = jax.device_get(ours(array, rows))
    wrong = wrong_rows(logits, asked, rows, got, 16)
    kept = f"kept {got.kept.min()} to {got.kept.max()}, certified {got.certified.mean():.0%}, wrong {wrong}"
    note = f"{kept}; compiled in {compiling:.1f} s; load {os.getloadavg()[0]:.1f}"
    memory = {OURS: megabytes(ours)}
    line = Line(title, len(logits), logits.shape[1], seconds, note, goals, memory)
    line.show()
    return line


def compared(modules: Modules, budget: float) -> list[Line]:
    normal = np.random.default_rng(0).standard_normal((64, VOCABULARY)).astype(np.float32)
    few = normal[:FEW]
    four, two = Goal(FLOOR, 4), Goal(FLOOR, 2)
    run = partial(compare, modules=modules, budget=budget)
    return [
        run("k 50, p 0.95", 3 * normal[:1], K50),
        run("k 50, p 0.95", 3 * few, K50, goals=(four, Goal(SORT, 400), Goal(MASKS, 70))),
        run("k 50, p 0.95", 3 * normal, K50, goals=(four,)),
        *(run("greedy", 3 * normal[:count], GREEDY, goals=(two,)) for count in (1, FEW, 64)),
        run("p 0.99, peaked", 8 * few, P99),
        run("worst: flat, p 0.999", 0.01 * few, FLAT, goals=(Goal(SORT, 10),)),
        run("no truncation", 3 * few, OPEN),
    ]


def growth(budget: float) -> None:
    """More rows and more tokens: time for each logit should not rise. And what one program takes for all requests."""
    print("\nbatch  vocabulary  request               ms  x floor  at best  ps/logit  working memory (MB)")
    for count, vocabulary in GROWTH:
        logits = np.random.default_rng(1).standard_normal((count, vocabulary), np.float32) * np.float32(3)
        array, floor = jax.device_put(logits), jax.jit(partial(jnp.max, axis=1))
        program = jax.jit(sampling.sample).lower(array, rows_of(count, K50)).compile()
        for name, asked in (("greedy", GREEDY), ("k 50, p 0.95", K50), ("p 0.99", P99)):
            rows = rows_of(count, asked)
            found = timed({FLOOR: partial(floor, array), OURS: partial(program, array, rows)}, budget)
            took, least = found[OURS], found[FLOOR]
            each = 1e12 * took.median / array.size
            print(
                f"{count:5d}  {vocabulary:10d}  {name:14s}{1e3 * took.median:10.2f}  {took.median / least.median:7.1f}"
                f"  {took.best / least.best:7.1f}  {each:8.0f}  {megabytes(program):19.1f}"
            )


def compiles() -> None:
    """One program a batch size, whatever the requests ask."""
    step = jax.jit(sampling.sample)
    logits = jnp.zeros((4, 1000), jnp.float32)
    for asked in (K50, GREEDY, P99, OPEN):
        step(logits, rows_of(4, asked))
    print(f"\nprograms compiled for one batch size and four kinds of request: {step._cache_size()}")


def smollm_logits(steps: int = 96) -> tuple[Logits, float]:
    """SmolLM2's logits along one answer of its own, and the seconds of its decode step for a batch of FEW."""
    from samplerd import smollm  # noqa: PLC0415

    model = smollm.load(256)
    tokens = model.tokenizer.encode_chat([("user", "Tell me about the rivers of Europe and why they matter.")])
    decode = jax.jit(model.decode)
    cache, collected = model.empty_cache(1), []
    draw = jax.jit(sampling.sample)
    for position in range(len(tokens) + steps):
        here = np.array([position], np.int32)
        logits, cache = decode(model.weights, cache, np.array([tokens[position]], np.int32), here)
        if position >= len(tokens) - 1:
            collected.append(np.asarray(logits[0]))
            rows = rows_of(1, OPEN)._replace(position=here + 1)
            tokens.append(int(draw(logits, rows).token[0]))
    full, word, place = model.empty_cache(FEW), np.full(FEW, tokens[0], np.int32), np.full(FEW, 64, np.int32)
    step = timed({"decode": lambda: decode(model.weights, full, word, place)}, 3.0)
    return np.stack(collected[:steps]), step["decode"].median


def smollm(modules: Modules, budget: float) -> list[Line]:
    logits, decode = smollm_logits()
    draw = jax.jit(sampling.sample)
    for temperature, top_p in ((0.7, 0.95), (0.7, 0.99), (1.0, 0.95), (1.0, 0.99)):
        asked = Asked(temperature, 0, top_p)
        rows = rows_of(len(logits), asked)
        got = jax.device_get(draw(logits, rows))
        sizes = " ".join(f"{share:.0%}: {int(np.quantile(got.kept, share))}" for share in (0.1, 0.5, 0.9, 1.0))
        wrong = wrong_rows(logits, asked, rows, got, len(logits))
        print(f"\nSmolLM2, T {temperature}, p {top_p}: nucleus {sizes}", end="; ")
        print(f"certified {got.certified.mean():.1%}; wrong {wrong}")
    run = partial(compare, asked=P99, modules=modules, budget=budget)
    lines = []
    for name, these, times in (("certified", got.certified, 8), ("fallback", ~got.certified, 25)):
        batch = np.resize(logits[these], (FEW, logits.shape[1])) if these.any() else logits[:0]
        if len(batch):
            lines.append(run(f"SmolLM2, p 0.99, {name}", batch, goals=(Goal(FLOOR, times),)))
    for line in lines:
        for name in (OURS, SORT):
            took = line.seconds[name].median
            share = took / (took + decode)
            print(f"share of {name} in SmolLM2's step of {1e3 * decode:.1f} ms and sampling, {line.title}: {share:.1%}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tpu-inference", help="tpu_inference/layers/common/binary_search.py")
    parser.add_argument("--mlx-lm", help="mlx_lm/sample_utils.py")
    parser.add_argument("--smollm", action="store_true")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--budget", type=float, default=3.0, help="seconds for each block")
    options = parser.parse_args()
    configure_jax()
    modules = Modules(loaded(options.tpu_inference), loaded(options.mlx_lm))
    lines = compared(modules, options.budget)
    compiles()
    if options.smollm:
        lines += smollm(modules, options.budget)
    if options.growth:
        growth(options.budget)
    if options.plot:
        plot(lines, options.plot)


if __name__ == "__main__":
    main()
