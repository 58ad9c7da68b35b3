"""Whatever crosses devices does so one after the other: each collective depends on the one before it.

XLA's runtime on CPUs runs collectives that do not depend on each other at the same time and under one name, so that one
took the other's numbers, or the process died ("Id can't be larger than the number of participating threads").
"""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest
from jax import lax
from jax.sharding import AbstractMesh, AxisType, PartitionSpec
from samplerd.edit_list import no_edits
from samplerd.rows import Rows
from samplerd.sampling import sample_part
from samplerd.shards import AXIS, over_mesh

COLLECTIVES = {"psum", "psum_invariant", "pmax", "pmin", "all_gather", "all_gather_invariant"}
MESH = AbstractMesh((4,), (AXIS,), axis_types=(AxisType.Auto,))
BATCH, VOCABULARY = 2, 300


def bodies(equation: Any) -> Iterator[Any]:
    """The programs inside an equation: branches, loops, calls."""
    for parameter in equation.params.values():
        for one in parameter if isinstance(parameter, tuple | list) else (parameter,):
            body = getattr(one, "jaxpr", one)
            if hasattr(body, "eqns"):
                yield body


def crosses(equation: Any) -> bool:
    """Whether an equation is a collective, or has one inside."""
    return equation.primitive.name in COLLECTIVES or any(
        crosses(inner) for body in bodies(equation) for inner in body.eqns
    )


def unordered(program: Any) -> list[tuple[str, str]]:
    """Neighbours among the equations that cross devices of which the later one does not depend on the earlier one."""
    found: list[tuple[str, str]] = []
    behind: dict[Any, set[int]] = {}
    last: int | None = None
    for number, equation in enumerate(program.eqns):
        before = {each for value in equation.invars if is_variable(value) for each in behind.get(value, ())}
        if crosses(equation):
            if last is not None and last not in before:
                found.append((program.eqns[last].primitive.name, equation.primitive.name))
            last = number
            before = before | {number}
        behind.update(dict.fromkeys(equation.outvars, before))
        for body in bodies(equation):
            found += unordered(body)
    return found


def is_variable(value: Any) -> bool:
    """Whether it is a variable; constants stand for themselves and cannot be looked up."""
    return not hasattr(value, "val")


@pytest.mark.parametrize("extras", [False, True], ids=["", "with edits and log-probabilities"])
def test_all_collectives_of_the_sampler_are_in_one_row(extras: bool) -> None:
    reals, wholes = np.zeros(BATCH, np.float32), np.zeros(BATCH, np.int32)
    rows = Rows(reals, wholes, reals, reals, np.zeros((BATCH, 2), np.uint32), wholes)
    if extras:
        edits = no_edits(BATCH, capacity=8, vocabulary=VOCABULARY)
        rows = rows._replace(edits=edits, logprobs=np.ones(BATCH, np.bool_))
    logits = np.zeros((BATCH, VOCABULARY), np.float32)
    program = jax.make_jaxpr(lambda *given: over_mesh(sample_part, *given, vocabulary=VOCABULARY, mesh=MESH))(
        logits, rows
    )
    assert crosses(program.eqns[-1])
    assert unordered(program.jaxpr) == []


def test_two_that_do_not_depend_on_each_other_are_seen() -> None:
    def both(values: jax.Array) -> tuple[jax.Array, jax.Array]:
        return lax.pmax(values, AXIS), lax.psum(values, AXIS)

    def one_by_one(values: jax.Array) -> jax.Array:
        return lax.psum(values + lax.pmax(values, AXIS), AXIS)

    for asked, found in ((both, [("pmax", "psum")]), (one_by_one, [])):
        mapped: Any = jax.shard_map(
            asked, mesh=MESH, in_specs=PartitionSpec(AXIS), out_specs=PartitionSpec(), check_vma=False
        )
        assert unordered(jax.make_jaxpr(mapped)(np.zeros(8, np.int32)).jaxpr) == found
