"""An exported program as a graph: its operations, and where a value comes from.

Through MLIR's own Python bindings, which come with JAX: no pattern is matched against text.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import mlir as jax_mlir

# MLIR's objects; the bindings have no types that mypy sees.
Operation = Any
Value = Any
Block = Any

TOP_K = "chlo.top_k"
"""A composite operation: the k best in order. Its decomposition, a whole sort, is what no platform runs."""

PER_DEVICE = "sdy.manual_computation"
"""A `shard_map`: each device runs its body on its own parts. What stands outside is split by the compiler."""

_PLACE = re.compile(r'"([^"]+)":(\d+)')


class Program:
    """An exported module. Keep it alive as long as its operations are looked at."""

    def __init__(self, artifact: bytes) -> None:
        """Read a portable StableHLO artifact, the form in which `jax.export` hands programs on."""
        self._context = jax_mlir.make_ir_context()
        self._module = stablehlo.deserialize_portable_artifact(self._context, artifact)
        self.functions: dict[str, Operation] = {
            ir.StringAttr(operation.attributes["sym_name"]).value: operation.operation
            for operation in self._module.body
        }

    @cached_property
    def operations(self) -> list[Operation]:
        """All operations that can run, each once, in the order in which main reaches them."""
        found: list[Operation] = []
        entered: set[str] = set()

        def enter(name: str) -> None:
            if name in entered or name not in self.functions:
                return
            entered.add(name)
            for operation in _inside(self.functions[name]):
                found.append(operation)
                callee = called_by(operation)
                if callee is not None:
                    enter(callee)

        enter("main")
        return found

    @cached_property
    def callers(self) -> dict[str, list[Operation]]:
        """The operations that call each function."""
        found: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.operations:
            callee = called_by(operation)
            if callee is not None:
                found[callee].append(operation)
        return found

    def runs_per_device(self, operation: Operation) -> bool:
        """Whether an operation stands in the body of a `shard_map`, or in functions that only such bodies call."""
        while operation.name not in {PER_DEVICE, "func.func"}:
            operation = operation.parent
        if operation.name == PER_DEVICE:
            return True
        callers = self.callers[ir.StringAttr(operation.attributes["sym_name"]).value]
        return bool(callers) and all(self.runs_per_device(caller) for caller in callers)


def _inside(operation: Operation) -> Iterator[Operation]:
    for region in operation.regions:
        for block in region:
            for inner in block:
                yield inner.operation
                yield from _inside(inner.operation)


def called_by(operation: Operation) -> str | None:
    """The function that an operation runs, if it is a call (a top-k is none: it is an operation of its own)."""
    if operation.name == "func.call":
        return str(ir.FlatSymbolRefAttr(operation.attributes["callee"]).value)
    if operation.name == "stablehlo.composite" and composite(operation) != TOP_K:
        return str(ir.FlatSymbolRefAttr(operation.attributes["decomposition"]).value)
    return None


def composite(operation: Operation) -> str:
    """The name of a composite operation."""
    return str(ir.StringAttr(operation.attributes["name"]).value)


def target(operation: Operation) -> str:
    """What a custom call calls."""
    return str(ir.StringAttr(operation.attributes["call_target_name"]).value)


def integer(operation: Operation, attribute: str) -> int:
    """An integer attribute."""
    return int(ir.IntegerAttr(operation.attributes[attribute]).value)


def top_k_count(operation: Operation) -> int:
    """The k of a composite top-k."""
    return int(ir.IntegerAttr(ir.DictAttr(operation.attributes["composite_attributes"])["k"]).value)


def contracted(operation: Operation) -> int:
    """Over how many numbers a dot product (`dot_general`) adds up for each of its results."""
    numbers = stablehlo.DotDimensionNumbers(operation.attributes["dot_dimension_numbers"])
    sizes = shape(operation.operands[0])
    return math.prod(sizes[dimension] for dimension in numbers.lhs_contracting_dimensions)


def shape(value: Value) -> tuple[int, ...]:
    """The shape of a value; empty for what is no tensor, or one of unknown shape."""
    if not isinstance(value.type, ir.RankedTensorType):
        return ()
    return tuple(value.type.shape)


def element(value: Value) -> str:
    """The element type of a value in MLIR's words (bf16, f16, f32, i32, ...); empty for what is no tensor."""
    return str(value.type.element_type) if isinstance(value.type, ir.RankedTensorType) else ""


def is_float(value: Value) -> bool:
    """Whether a value is a tensor of floating point numbers."""
    return element(value).lstrip("b").startswith("f")


def is_split(operation: Operation) -> bool:
    """Whether an operation that says where its result stands (`with_sharding_constraint`) splits it over any axis."""
    return '{"' in str(operation.attributes["sharding"])


def owner_of(value: Value) -> Operation | None:
    """The operation whose result a value is; None for a block's argument."""
    return None if isinstance(value, ir.BlockArgument) else value.owner.operation


def number_of(value: Value) -> int:
    """Which result of its operation, or which argument of its block, a value is."""
    if isinstance(value, ir.BlockArgument):
        return int(value.arg_number)
    return int(ir.OpResult(value).result_number)


def returned(block: Block) -> list[Value]:
    """What a block gives to whoever runs it."""
    return list(list(block)[-1].operation.operands)


def blocks(operation: Operation) -> list[Block]:
    """The first block of each of an operation's regions."""
    return [region.blocks[0] for region in operation.regions if len(region.blocks)]


def place(operation: Operation) -> str:
    """The line of source that an operation comes from, "file.py:12", as far as the program says."""
    found = _PLACE.search(str(operation.location))
    return f"{found[1].rpartition('/')[2]}:{found[2]}" if found else ""
