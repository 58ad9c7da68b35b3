"""Exports what serves for platforms that need not be here: StableHLO, before any platform's own passes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import numpy as np
from jax import export

from samplerd.head_model import head_model
from samplerd.lint.rules import Scope
from samplerd.lint.stablehlo import Program
from samplerd.model import Model, Pytree
from samplerd.program import ProgramFor, TensorProgram, drawn, idle_rows, serving_step
from samplerd.split_step import export_rest

PLATFORMS = ("tpu", "cuda", "cpu")
HEAD_TYPES = ("bfloat16", "float16")
_HIDDEN = 64


@dataclass(frozen=True)
class Subject:
    """A program to look through. `name` says which, in words; `shards`: over how many devices its vocabulary is."""

    name: str
    model: Model
    program: TensorProgram
    batch: int
    shards: int = 1

    @property
    def scope(self) -> Scope:
        """The sizes by which its logits are known."""
        return Scope(self.model.vocabulary, self.batch, self.shards)


def subjects(
    model: Model, program_for: ProgramFor, batch_sizes: Sequence[int], vocab_shards: int = 1
) -> Iterator[Subject]:
    """The serving step at each batch size; then at the largest one behind a head of each narrow type.

    The model that is served may be float32 throughout; a head in another type is where conversions go wrong. All of
    them again with the vocabulary over `vocab_shards` devices, if that is more than one.
    """
    program = program_for(model)
    whole = list(_whole(model, program, batch_sizes))
    yield from whole
    if vocab_shards > 1:
        for one in whole:
            yield replace(one, name=f"{one.name}, over {vocab_shards} devices", shards=vocab_shards)


def _whole(model: Model, program: TensorProgram, batch_sizes: Sequence[int]) -> Iterator[Subject]:
    for size in batch_sizes:
        yield Subject(f"{model.name}, batch {size}", model, program, size)
    largest = max(batch_sizes)
    for dtype in HEAD_TYPES:
        hidden = np.zeros((_HIDDEN, _HIDDEN), np.float32)
        head = head_model(model, hidden, np.zeros((_HIDDEN, model.vocabulary), np.float32), dtype)
        yield Subject(f"{dtype} head, batch {largest}", head, program, largest)


def exported(subject: Subject, platform: str) -> Program:
    """Export a step for a platform. Raises what JAX raises for what cannot be exported.

    Of a step over several devices, what follows the model's body: that is the body of the step of one device, and what
    it hands on is stored in between.
    """
    model = subject.model
    if subject.shards > 1:
        draw = partial(drawn, subject.program)
        rest = export_rest(model, draw, subject.shards, platform, idle_rows(subject.batch, model))
        return Program(rest.mlir_module_serialized)
    step = jax.jit(partial(serving_step, model, subject.program))
    arguments = (
        _shapes(model.weights),
        _shapes(jax.eval_shape(partial(model.empty_cache, subject.batch))),
        np.zeros(subject.batch, np.int32),
        idle_rows(subject.batch, model),
    )
    artifact: bytes = export.export(step, platforms=[platform])(*arguments).mlir_module_serialized
    return Program(artifact)


def _shapes(tree: Pytree) -> Pytree:
    return jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), tree)
