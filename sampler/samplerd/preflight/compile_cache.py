"""The case of the compile cache: a program just compiled draws what it must, and the same one from the cache too."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from samplerd.preflight.conformance import asked_at, judged
from samplerd.preflight.results import KIND_CACHE, Case, Result, Shape, Tally, Wrong
from samplerd.preflight.samplers import Samplers
from samplerd.rows import Sampled

SHAPE = Shape(batch=8, vocabulary=2049, width=2049)
UNCACHED = "compiled twice: JAX took nothing from its cache, so only what it compiled was compared"
"""No failure: where there is no cache it can do no harm."""
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
    asked = asked_at(shape, numbers)
    with fresh_cache(), counted_hits() as hits:
        logits, cold = samplers.fresh(shape)(numbers, asked)
        before = len(hits)
        _, warm = samplers.fresh(shape)(numbers, asked)
    tally = Tally(name)
    for row, each in enumerate(asked):
        tally.add(judged(logits[row], each, cold, row) or _apart(cold, warm, row))
    return replace(tally.result(), note="" if len(hits) > before else UNCACHED)


def _apart(cold: Sampled, warm: Sampled, row: int) -> Wrong | None:
    """What the program from the cache draws otherwise."""
    fields = [
        field
        for field in ("token", "valid", "best", "kept", "threshold", "certified")
        if getattr(cold, field)[row] != getattr(warm, field)[row]
    ]
    return Wrong(KIND_CACHE, {"row": row, "fields": fields}) if fields else None


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
