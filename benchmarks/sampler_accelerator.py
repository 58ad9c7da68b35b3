"""The sampler beside others on one accelerator, in one run: milliseconds, and as multiples of reading the logits once.

python benchmarks/sampler_accelerator.py --plot out/sampler-gpu.svg --json out/sampler-gpu.json

Each program takes the same stack of different arrays, one after the other, so that neither the host's calls nor a cache
that holds one array are what is measured; where it is JAX, a loop inside one program, where it is PyTorch, one CUDA
graph. Times are for one array. PyTorch and FlashInfer take part where they are installed, tpu-inference's masks if they
are given. Draws of ours are checked against the oracle.
"""

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import lax
from sampler_asked import FLAT, GREEDY, K50, OPEN, P99, VOCABULARY, Asked, megabytes, rows_of, wrong_rows
from sampler_peers import MASKS, SORT, Step, by_masks, by_sorting, loaded
from sampler_report import FLOOR, OURS, Line, Times, plot
from samplerd import sampling
from samplerd.jax_setup import configure_jax

Logits = npt.NDArray[np.float32]
STACK_BYTES = 1 << 29
"""Of all arrays together: an H100 keeps 50 MB in its cache."""
MOST_ARRAYS = 32
TORCH_SORT, FLASHINFER = "PyTorch sort", "FlashInfer"
OTHER_SHAPES = ((1, VOCABULARY), (512, VOCABULARY), (64, 32768), (64, 262144))


def stacked(batch: int, vocabulary: int, scale: float) -> Logits:
    """Different arrays of normal logits, [K, B, V]."""
    count = max(2, min(MOST_ARRAYS, STACK_BYTES // (4 * batch * vocabulary)))
    rng = np.random.default_rng(0)
    return rng.standard_normal((count, batch, vocabulary), np.float32) * np.float32(scale)


def jax_steps(stack: jax.Array, asked: Asked, masks: Any) -> tuple[dict[str, Step], Any]:
    """The programs that JAX compiles, each over the whole stack; and ours, compiled, for what it needs."""
    rows = rows_of(stack.shape[1], asked)
    ours = jax.jit(lambda arrays: lax.map(lambda array: sampling.sample(array, rows), arrays)).lower(stack).compile()
    programs: dict[str, Any] = {FLOOR: lambda array: jnp.max(array, axis=1)}
    if asked.temperature:
        key = jax.random.key(0)
        programs[SORT] = lambda array: by_sorting(asked, array / np.float32(asked.temperature), key)
        if masks is not None:
            programs[MASKS] = lambda array: by_masks(masks, asked, array / np.float32(asked.temperature), key)
    else:
        programs["jnp.argmax"] = partial(jnp.argmax, axis=1)
    steps: dict[str, Step] = {}
    with jax.enable_x64(False):
        for name, each in programs.items():
            program = jax.jit(partial(lax.map, each)).lower(stack).compile()
            steps[name] = partial(_finished, program, stack)
    return {FLOOR: steps.pop(FLOOR), OURS: partial(_finished, ours, stack), **steps}, ours


def _finished(program: Any, stack: jax.Array) -> None:
    jax.block_until_ready(program(stack))


def torch_steps(stack: Logits, asked: Asked) -> dict[str, Step]:
    """PyTorch's sort, and FlashInfer the way vLLM calls it, each as one CUDA graph over the whole stack."""
    if not asked.temperature or importlib.util.find_spec("torch") is None:
        return {}
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        return {}
    arrays = torch.from_numpy(stack / np.float32(asked.temperature)).cuda()
    steps = {TORCH_SORT: _graph(torch, arrays, partial(_by_torch, torch, asked))}
    if importlib.util.find_spec("flashinfer") is not None and asked.top_p < 1:
        import flashinfer  # noqa: PLC0415

        by_flashinfer = partial(_by_flashinfer, torch, flashinfer.sampling, asked, _Seeds(torch))
        steps[FLASHINFER] = _graph(torch, arrays, by_flashinfer)
    return steps


def _graph(torch: Any, arrays: Any, each: Callable[[Any], Any]) -> Step:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for array in arrays[:2]:
            each(array)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = [each(array) for array in arrays]

    def step() -> None:
        graph.replay()
        torch.cuda.synchronize()

    step.kept = kept  # type: ignore[attr-defined] # the graph writes into these
    return step


def _by_torch(torch: Any, asked: Asked, logits: Any) -> Any:
    ordered, ids = logits.sort(dim=1, descending=True)
    if asked.top_k:
        ordered[:, asked.top_k :] = -torch.inf
    shares = ordered.softmax(dim=1)
    if asked.top_p < 1:
        shares = torch.where(shares.cumsum(dim=1) - shares >= asked.top_p, 0, shares)
    at = (shares / torch.empty_like(shares).exponential_()).argmax(dim=1, keepdim=True)
    return ids.gather(1, at)


class _Seeds:
    """Stands for PyTorch's generator, which a CUDA graph refuses; each array has an offset of its own all the same."""

    def __init__(self, torch: Any) -> None:
        self.state = torch.tensor([1, 0], dtype=torch.int64).view(torch.uint8)

    def get_state(self) -> Any:
        return self.state

    def set_state(self, state: Any) -> None:
        self.state = state


def _by_flashinfer(torch: Any, flashinfer: Any, asked: Asked, seeds: _Seeds, logits: Any) -> Any:
    asked_of_all = {"deterministic": True, "generator": seeds}
    if asked.top_k:
        return flashinfer.top_k_top_p_sampling_from_logits(logits, asked.top_k, asked.top_p, **asked_of_all)
    shares = logits.softmax(dim=1, dtype=torch.float32)
    return flashinfer.top_p_sampling_from_probs(shares, asked.top_p, **asked_of_all)


def timed(steps: dict[str, Step], arrays: int, budget: float) -> dict[str, Times]:
    """Seconds for one array of each, all in turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    end = time.monotonic() + budget
    while time.monotonic() < end or min(map(len, times.values())) < 3:
        for name, step in steps.items():
            if sum(times[name]) * arrays > budget / 2 and len(times[name]) >= 3:
                continue
            began = time.perf_counter()
            step()
            times[name].append((time.perf_counter() - began) / arrays)
    return {name: Times(statistics.median(values), min(values)) for name, values in times.items()}


def compare(title: str, batch: int, vocabulary: int, scale: float, asked: Asked, masks: Any, budget: float) -> Line:
    """Time all on one stack and print what they took."""
    host = stacked(batch, vocabulary, scale)
    stack = jax.device_put(host)
    began = time.perf_counter()
    steps, ours = jax_steps(stack, asked, masks)
    compiling = time.perf_counter() - began
    seconds = timed(steps | torch_steps(host, asked), len(host), budget)
    got = jax.device_get(jax.tree.map(lambda leaf: leaf[0], ours(stack)))
    wrong = wrong_rows(host[0], asked, rows_of(batch, asked), got, 16)
    rate = 4e-12 * batch * vocabulary / seconds[FLOOR].median
    note = (
        f"kept {got.kept.min()} to {got.kept.max()}, certified {got.certified.mean():.0%}, wrong {wrong}; "
        f"{len(host)} arrays; floor reads {rate:.2f} TB/s; all compiled in {compiling:.0f} s"
    )
    line = Line(title, batch, vocabulary, seconds, note, (), {OURS: megabytes(ours)})
    line.show()
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tpu-inference", help="tpu_inference/layers/common/binary_search.py")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds of timing for each block")
    parser.add_argument("--quick", action="store_true", help="batches of 8 and 64 alone")
    options = parser.parse_args()
    configure_jax()
    device = jax.devices()[0]
    print(f"{device.device_kind} ({device.platform}), jax {jax.__version__}", flush=True)
    masks = loaded(options.tpu_inference)
    lines: list[Line] = []

    def run(title: str, batch: int, vocabulary: int, scale: float, asked: Asked) -> None:
        lines.append(compare(title, batch, vocabulary, scale, asked, masks, options.budget))
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps([vars(line) for line in lines], indent=1))

    for batch in (64, 8):
        run("k 50, p 0.95", batch, VOCABULARY, 3, K50)
        run("greedy", batch, VOCABULARY, 3, GREEDY)
        run("p 0.99, peaked", batch, VOCABULARY, 8, P99)
        run("worst: flat, p 0.999", batch, VOCABULARY, 0.01, FLAT)
        run("no truncation", batch, VOCABULARY, 3, OPEN)
    if not options.quick:
        for batch, vocabulary in OTHER_SHAPES:
            run("k 50, p 0.95", batch, vocabulary, 3, K50)
    if options.plot:
        plot(lines, options.plot)


if __name__ == "__main__":
    main()
