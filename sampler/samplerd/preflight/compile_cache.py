"""The case of the compile cache: a program that was just compiled and the same one from the cache draw the same."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from samplerd.preflight.material import asked_of
from samplerd.preflight.results import KIND_CACHE, KIND_CRASHED, Case, Failure, Result, Shape, Tally, Wrong
from samplerd.preflight.samplers import Samplers

SHAPE = Shape(batch=8, vocabulary=2049, width=2049)
_HIT = "/jax/compilation_cache/cache_hits"
_OPTIONS = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


def cache_case(samplers: Samplers, shape: Shape) -> Case:
    """Compile with an empty cache of its own, then load from it."""
    name = f"compile cache, {shape.label}"
    return Case(name, "compile cache", lambda: _cold_and_warm(samplers, shape, name))


def _cold_and_warm(samplers: Samplers, shape: Shape, name: str) -> Result:
    numbers = range(shape.batch)
    asked = [asked_of(number) for number in numbers]
    with fresh_cache(), counted_hits() as hits:
        _, cold = samplers.fresh(shape)(numbers, asked)
        before = len(hits)
        _, warm = samplers.fresh(shape)(numbers, asked)
    if len(hits) == before:
        problem = "the program was compiled twice: this platform does not take it from the cache"
        return Result(1, Failure(name, KIND_CRASHED, 1, 1, {"problem": problem}))
    tally = Tally(name)
    for row in numbers:
        fields = [
            field
            for field in ("token", "valid", "best", "kept", "threshold", "certified")
            if getattr(cold, field)[row] != getattr(warm, field)[row]
        ]
        tally.add(Wrong(KIND_CACHE, {"row": row, "fields": fields}) if fields else None)
    return tally.result()


@contextlib.contextmanager
def fresh_cache() -> Iterator[Path]:
    """The folder of a cache that is empty, and afterwards the one there was. Nothing else may compile meanwhile."""
    names = ("jax_compilation_cache_dir", *_OPTIONS)
    before = {name: getattr(jax.config, name) for name in names}
    with tempfile.TemporaryDirectory(prefix="preflight-cache-") as folder:
        try:
            for name, value in {"jax_compilation_cache_dir": folder, **_OPTIONS}.items():
                jax.config.update(name, value)
            compilation_cache.reset_cache()
            yield Path(folder)
        finally:
            for name, value in before.items():
                jax.config.update(name, value)
            compilation_cache.reset_cache()


@contextlib.contextmanager
def counted_hits() -> Iterator[list[str]]:
    """One item for each program that is taken from the cache meanwhile."""
    hits: list[str] = []

    def listen(event: str, **_: object) -> None:
        if event == _HIT:
            hits.append(event)

    jax.monitoring.register_event_listener(listen)
    try:
        yield hits
    finally:
        jax.monitoring.unregister_event_listener(listen)
