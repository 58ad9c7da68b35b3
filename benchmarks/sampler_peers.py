"""Other samplers, as steps that the benchmark times beside ours. Each draws one token a row from the same logits.

tpu-inference's and mlx-lm's are those projects' own code, loaded from files of their wheels.
"""

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from sampler_asked import Asked

Step = Callable[[], Any]
MASKED = -1e12
SORT, MASKS, PARTITION, MLX = "sort + categorical", "tpu-inference masks", "NumPy argpartition", "mlx-lm"


class Modules(NamedTuple):
    """What was found of others; None: not given."""

    masks: Any = None
    mlx: Any = None


def loaded(path: str | None) -> Any:
    """A module from a file, without its package."""
    if path is None:
        return None
    spec = importlib.util.spec_from_file_location("peer", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: not a Python file; give the path of the file that the wheel holds")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peers(logits: npt.NDArray[np.float32], asked: Asked, modules: Modules, chosen: set[str]) -> dict[str, Step]:
    """The chosen ones, compiled, of those that can do what is asked."""
    steps: dict[str, Step] = {}
    with jax.enable_x64(False):
        if not asked.temperature:
            array = jax.device_put(logits)
            argmax = jax.jit(partial(jnp.argmax, axis=1)).lower(array).compile()
            return {"jnp.argmax": lambda: argmax(array)}
        numbers = logits / np.float32(asked.temperature)
        scaled, key = jax.device_put(numbers), jax.random.key(0)
        if SORT in chosen:
            sort = _compiled(partial(by_sorting, asked), scaled, key)
            steps[SORT] = lambda: sort(scaled, key)
        if MASKS in chosen and modules.masks is not None:
            masked = _compiled(partial(by_masks, modules.masks, asked), scaled, key)
            steps[MASKS] = lambda: masked(scaled, key)
    if PARTITION in chosen and asked.top_k:
        steps[PARTITION] = partial(_by_partition, numbers, np.random.default_rng(0), asked)
    if MLX in chosen and modules.mlx is not None:
        steps[MLX] = _by_mlx(modules.mlx, logits, asked)
    return steps


def _compiled(step: Callable[..., jax.Array], *arguments: jax.Array) -> Any:
    return jax.jit(step).lower(*arguments).compile()


def by_sorting(asked: Asked, logits: jax.Array, key: jax.Array) -> jax.Array:
    """What most JAX samplers do: sort everything, cut, draw over everything."""
    ordered = jnp.sort(logits, axis=1)[:, ::-1]
    if asked.top_k:
        logits = jnp.where(logits < ordered[:, asked.top_k - 1 : asked.top_k], MASKED, logits)
        ordered = jnp.where(jnp.arange(logits.shape[1]) < asked.top_k, ordered, MASKED)
    if asked.top_p < 1:
        reached = jnp.cumsum(jax.nn.softmax(ordered, axis=1), axis=1)
        last = jnp.sum(reached < asked.top_p, axis=1, keepdims=True)
        logits = jnp.where(logits < jnp.take_along_axis(ordered, last, axis=1), MASKED, logits)
    return jax.random.categorical(key, logits, axis=1)


def by_masks(masks: Any, asked: Asked, logits: jax.Array, key: jax.Array) -> jax.Array:
    """tpu-inference: bisection for the k-th logit, bisection for the nucleus, categorical."""
    if asked.top_k:
        logits = masks.topk_mask(logits, asked.top_k, MASKED)
    if asked.top_p < 1:
        logits = masks.topp_mask(logits, asked.top_p, MASKED)
    return jax.random.categorical(key, logits, axis=1)


def _by_partition(logits: npt.NDArray[np.float32], rng: np.random.Generator, asked: Asked) -> list[int]:
    """NumPy, row by row; only with a top-k."""
    drawn = []
    for row in logits:
        best = np.argpartition(row, -asked.top_k)[-asked.top_k :]
        best = best[np.argsort(-row[best])]
        shares = np.exp(row[best] - row[best[0]])
        shares /= shares.sum()
        count = int(np.searchsorted(np.cumsum(shares), asked.top_p)) + 1
        drawn.append(int(rng.choice(best[:count], p=shares[:count] / shares[:count].sum())))
    return drawn


def _by_mlx(module: Any, logits: npt.NDArray[np.float32], asked: Asked) -> Step:
    """mlx-lm's sampler on MLX's CPU device. Its top-p comes before its temperature, so the tokens are others."""
    core = module.mx
    sampler = module.make_sampler(
        temp=asked.temperature, top_p=asked.top_p if asked.top_p < 1 else 0.0, top_k=asked.top_k
    )
    array = core.array(logits)
    normal = array - core.logsumexp(array, axis=-1, keepdims=True)
    core.eval(normal)
    return lambda: core.eval(sampler(normal))
