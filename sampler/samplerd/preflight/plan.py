"""Which cases there are, and in which order: what fails most often in the field, and costs least, first."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import jax

from samplerd.preflight import conformance
from samplerd.preflight.compile_cache import SHAPE as CACHED
from samplerd.preflight.compile_cache import cache_case
from samplerd.preflight.results import Case, Shape
from samplerd.preflight.samplers import Samplers
from samplerd.preflight.served import Served
from samplerd.preflight.suite import TokenSuite

_FIRST = (
    Shape(33, 4099, 4099, "bfloat16", head=True),
    Shape(33, 1003, 1003, edited=True),
    Shape(513, 1025, 1025),
    Shape(31, 2049, 2049, "bfloat16", edited=True),
    Shape(32, 517, 517, "float16"),
    Shape(1, 151936, 151936),
    Shape(8, 1000, 1024),
    Shape(65, 32769, 32769, "bfloat16", head=True),
    Shape(3, 151669, 151669, "bfloat16"),
)
"""More rows than a tile, a block that ends early, a dot before, edits, two types: each in the fewest programs."""
_BATCHES = (2, 3, 5, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1, 4, 8)
_VOCABULARIES = (33, 1000, 1024, 1025, 97, 2048, 2113, 32, 31, 4096, 8193, 65, 64, 63, 1, 2, 10001, 257)
_TYPES = ("float32", "bfloat16", "float16")
_LARGEST = 4_000_000
"""Logits of one case, at most: a pod has other uses for its memory."""
_MESHES = (2, 3, 4, 8)
EMULATED_DEVICES = max(_MESHES)
"""On a CPU, for the long plan."""
_LARGEST_BATCH = 513
_STRIDE = 37
"""Coprime to the number of batch sizes: a beginning of them holds small and large ones."""
_SPLIT = (Shape(7, 1003, 1003), Shape(65, 4099, 4101, "bfloat16"), Shape(2, 33, 33, "float16"), Shape(33, 8192, 8192))
"""Over devices: uneven parts, padding in the last one, parts shorter than a block, even parts."""
_SPLIT_HEADS = (
    Shape(33, 1003, 1003, "bfloat16", head=True, edited=True),
    Shape(7, 8192, 8192, "float16", head=True),
    Shape(2, 517, 517, head=True, edited=True),
)
"""The split step that serves such a vocabulary, behind a dot of each type."""
_CACHED = (
    Shape(1, 4099, 4099, "bfloat16"),
    Shape(33, 1025, 1025, "bfloat16", head=True),
    Shape(64, 515, 515, "float16", head=True),
)
_ALL_PARAMETERS = (Shape(64, 1500, 1500), Shape(64, 1500, 1500, "bfloat16", head=True))


def cases(served: Served, suite: TokenSuite, samplers: Samplers, *, long: bool = False) -> Iterator[Case]:
    """All cases. Those that must run come first; the long plan goes on where the other ends."""
    yield from served.cases()
    yield suite.case()
    first, *others = _FIRST
    yield conformance.case(samplers, first, "behind a dot")
    for shape in others[:2]:
        yield conformance.case(samplers, shape, "shapes")
    for devices in _MESHES:
        if devices <= len(jax.devices()):
            yield conformance.case(samplers, Shape(33, 1003, 1010, devices=devices), "devices")
    yield cache_case(samplers, CACHED)
    for shape in others[2:]:
        yield conformance.case(samplers, shape, "behind a dot" if shape.head else "shapes")
    for shape in swept():
        yield conformance.case(samplers, shape, "behind a dot" if shape.head else "shapes")
    if long:
        yield from _further(samplers)


def _further(samplers: Samplers) -> Iterator[Case]:
    """What only the long plan has: all combinations of parameters, more meshes, more of the cache, all batch sizes."""
    for shape in _ALL_PARAMETERS:
        yield conformance.parameters_case(samplers, shape)
    for shape, devices in itertools.product((*_SPLIT, *_SPLIT_HEADS), _MESHES):
        if devices <= len(jax.devices()):
            yield conformance.case(samplers, replace(shape, devices=devices), "devices")
    for shape in _CACHED:
        yield cache_case(samplers, shape)
    for shape in every_batch():
        yield conformance.case(samplers, shape, "behind a dot" if shape.head else "shapes")


def every_batch() -> Iterator[Shape]:
    """Every batch size once, with vocabularies, types and ways in turn: none of these lengths divides another."""
    vocabularies = itertools.cycle(_VOCABULARIES[:-1])
    kinds = itertools.cycle(itertools.product(_TYPES, (False, True), (False, True)))
    known = {*_FIRST, *swept()}
    for turn in range(_LARGEST_BATCH):
        batch = 1 + turn * _STRIDE % _LARGEST_BATCH
        dtype, head, edited = next(kinds)
        vocabulary = next(size for size in vocabularies if batch * size <= _LARGEST)
        shape = Shape(batch, vocabulary, vocabulary, dtype, head, edited=edited)
        if shape not in known:
            yield shape


def swept() -> Iterator[Shape]:
    """Every batch size with every type, alone and behind a dot; vocabularies in turn, edits in some programs."""
    turn = itertools.cycle(_VOCABULARIES)
    edited = itertools.cycle((True, False, False, True, False, False, False))  # coprime to batches and to vocabularies
    for head, dtype, batch in itertools.product((False, True), _TYPES, _BATCHES):
        vocabulary = next(size for size in turn if batch * size <= _LARGEST)
        shape = Shape(batch, vocabulary, vocabulary, dtype, head, edited=next(edited))
        if shape not in _FIRST:
            yield shape
