"""Where a narrow float value was computed, if nothing on the way from there made the compiler round it.

A compiler may hold the result of an operation on a narrow type (bfloat16, float16, the float8 types) in more bits than
its type has, for one of its readers and not for another (XLA's excess precision; it is on by default). Two readers then
disagree about the same number. An optimization barrier, or `reduce_precision` to no more bits than the type has, makes
all of them see one rounded value.
"""

import math
from collections.abc import Callable, Iterator

from samplerd.lint.stablehlo import (
    PER_DEVICE,
    TOP_K,
    Operation,
    Program,
    Value,
    blocks,
    called_by,
    composite,
    element,
    integer,
    is_float,
    number_of,
    owner_of,
    returned,
    shape,
    target,
)

_BITS = {
    "bf16": (8, 7),
    "f16": (5, 10),
    "f8E3M4": (3, 4),
    "f8E4M3": (4, 3),
    "f8E4M3FN": (4, 3),
    "f8E4M3FNUZ": (4, 3),
    "f8E4M3B11FNUZ": (4, 3),
    "f8E5M2": (5, 2),
    "f8E5M2FNUZ": (5, 2),
    "f8E8M0FNU": (8, 0),
}
"""Of each narrow type, the bits of the exponent and of the mantissa."""

NARROW = frozenset(_BITS)

_BARRIER = "stablehlo.optimization_barrier"
_ROUNDING = "stablehlo.reduce_precision"

_STORED = frozenset({"stablehlo.constant", "stablehlo.iota", "stablehlo.bitcast_convert"})
"""These give numbers that have their type's bits and no more."""

_MOVING = frozenset(
    f"stablehlo.{name}"
    for name in (
        *("reshape", "transpose", "broadcast_in_dim", "slice", "dynamic_slice", "dynamic_update_slice", "gather"),
        *("concatenate", "pad", "reverse", "select", "maximum", "minimum", "clamp", "negate", "abs", "sort", "scatter"),
        *("all_gather", "all_to_all", "collective_permute", "collective_broadcast"),
    )
) | {"sdy.sharding_constraint", _ROUNDING}
"""These hand numbers on as they are: what is computed before them may reach through them unrounded."""

ACROSS_DEVICES = frozenset({"stablehlo.all_reduce", "stablehlo.reduce_scatter"})
"""Reductions over devices."""

APPROX_CALLS = ("approxtopk", "approx_top_k", "partialreduce")
SORTING_CALLS = ("sort", "topk", "top_k")
"""Parts of the names of custom calls that choose numbers, and hand them on as they are."""

REDUCTIONS = ACROSS_DEVICES | {"stablehlo.reduce", "stablehlo.reduce_window"}

_SELECTING = frozenset({"stablehlo.maximum", "stablehlo.minimum", "stablehlo.compare", "stablehlo.select"})


def unrounded(program: Program, value: Value, counts: Callable[[Value], bool]) -> list[Operation]:
    """The operations that computed a narrow value in that type, reached through moves alone; none if guarded.

    Of those only the ones of whose way some value `counts`, be it the first, the last, or one that is put together from
    pieces in between. For what is no piece (`_no_pieces`) the way begins again. What is the same in every step, such as
    a constant that is converted, is as good as stored.
    """
    found: list[Operation] = []
    seen: set[tuple[Value, bool]] = set()
    waiting = [(value, False)]
    while waiting:
        value, counted = waiting.pop()
        counted = counted or counts(value)
        if (value, counted) in seen or element(value) not in NARROW:
            continue
        seen.add((value, counted))
        source = owner_of(value)
        if source is not None and _guards(source):
            continue
        before = _before(program, value)
        if before is not None:
            small = _no_pieces(program, source) if source is not None else []
            waiting.extend((each, counted and each not in small) for each in before)
        elif counted and not is_fixed(program, value):
            found.append(source)
    return found


def reached(program: Program, value: Value) -> set[Value]:
    """The values that a float value is made of by moving alone, guarded or not; itself is one of them."""
    found: set[Value] = set()
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if value not in found and is_float(value):
            found.add(value)
            waiting.extend(_before(program, value) or ())
    return found


def is_fixed(program: Program, value: Value) -> bool:
    """Whether a value is the same in every step, such as a matrix of ones: computed from nothing that is given."""
    seen: set[Value] = set()
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        if _is_given(value):
            return False
        source = owner_of(value)
        if source is None:
            waiting.extend(_argument_sources(program, value))
            continue
        callee = program.functions.get(called_by(source) or "")
        bodies = blocks(source) if callee is None else blocks(callee)
        waiting.extend([*source.operands, *(each for body in bodies for each in returned(body))])
    return True


def _is_given(value: Value) -> bool:
    """Whether a value is an argument of the program itself."""
    if owner_of(value) is not None:
        return False
    function = value.owner.owner.operation
    return bool(function.name == "func.func" and function.attributes["sym_name"].value == "main")


def _guards(operation: Operation) -> bool:
    """Whether all readers of what an operation hands on see the same rounded numbers."""
    if operation.name != _ROUNDING:
        return bool(operation.name == _BARRIER)
    exponent, mantissa = _BITS[element(operation.operands[0])]
    return integer(operation, "exponent_bits") <= exponent and integer(operation, "mantissa_bits") <= mantissa


def _no_pieces(program: Program, operation: Operation) -> list[Value]:
    """What an operation moves into something larger whose size says nothing about it.

    That is a number that is repeated, and what is written into a buffer that the program was given, such as a cache.
    """
    if operation.name == "stablehlo.pad":
        return [operation.operands[1]]
    if operation.name == "stablehlo.broadcast_in_dim":
        (repeated,) = operation.operands
        return [repeated] if math.prod(shape(repeated)) < math.prod(shape(operation.results[0])) else []
    if operation.name not in {"stablehlo.dynamic_update_slice", "stablehlo.scatter"}:
        return []
    buffers, written = operation.operands[: len(operation.results)], operation.operands[len(operation.results) :]
    given = any(_is_given(each) for buffer in buffers for each in reached(program, buffer))
    return list(written) if given else []


def _before(program: Program, value: Value) -> list[Value] | None:
    """What a value is made of by moving alone: no values if it is stored; None if an operation computes it."""
    source = owner_of(value)
    return _argument_sources(program, value) if source is None else _sources(program, source, number_of(value))


def _sources(program: Program, operation: Operation, number: int) -> list[Value] | None:
    """The same of a result of an operation."""
    name = operation.name
    if name in _STORED:
        return []
    if name == _BARRIER:
        return [operation.operands[number]]
    if name in _MOVING or _chooses(operation) or _keeps_all_bits(operation):
        return list(operation.operands)
    if name == "stablehlo.while":
        return [operation.operands[number], returned(blocks(operation)[1])[number]]
    if name in {"stablehlo.if", "stablehlo.case", PER_DEVICE}:
        return [returned(block)[number] for block in blocks(operation)]
    callee = program.functions.get(called_by(operation) or "")
    return None if callee is None else [returned(blocks(callee)[0])[number]]


def _keeps_all_bits(operation: Operation) -> bool:
    """Whether an operation converts from one narrow type to another that holds every number of it."""
    if operation.name != "stablehlo.convert":
        return False
    before, after = (_BITS.get(element(each)) for each in (operation.operands[0], operation.results[0]))
    return before is not None and after is not None and before[0] <= after[0] and before[1] <= after[1]


def _chooses(operation: Operation) -> bool:
    if operation.name == "stablehlo.custom_call":
        return any(word in target(operation).lower() for word in APPROX_CALLS + SORTING_CALLS)
    return is_top_k(operation) or _only_selects(operation)


def is_top_k(operation: Operation) -> bool:
    """Whether an operation is an exact top-k."""
    return operation.name == TOP_K or (operation.name == "stablehlo.composite" and composite(operation) == TOP_K)


def _only_selects(operation: Operation) -> bool:
    """Whether a reduction only picks some of its numbers (a maximum), rather than makes new ones (a sum)."""
    if operation.name not in REDUCTIONS:
        return False
    return all(name in _SELECTING or name.endswith("return") for name in reducer(operation))


def reducer(operation: Operation) -> Iterator[str]:
    """The names of the operations in a reduction's body."""
    return (inner.operation.name for inner in blocks(operation)[0])


def _argument_sources(program: Program, value: Value) -> list[Value]:
    """What a block's argument stands for. An argument of the program itself is stored, and so stands for nothing."""
    block, number = value.owner, number_of(value)
    operation = block.owner.operation
    if operation.name == "func.func":
        name = operation.attributes["sym_name"].value
        return [call.operands[number] for call in program.callers[name]]
    if operation.name == "stablehlo.while":
        return [operation.operands[number], returned(blocks(operation)[1])[number]]
    if operation.name == PER_DEVICE:
        return [operation.operands[number]]
    return list(operation.operands)
