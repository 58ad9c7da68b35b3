"""Where a narrow float value was computed, if nothing on the way from there made the compiler round it.

A compiler may hold the result of an operation on bfloat16 or float16 in more bits than its type has, for one of its
readers and not for another (XLA's excess precision; it is on by default). Two readers then disagree about the same
number. An optimization barrier, or `reduce_precision`, makes all of them see one rounded value.
"""

from collections.abc import Iterator

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
    number_of,
    owner_of,
    returned,
)

NARROW = frozenset({"bf16", "f16"})

GUARDS = frozenset({"stablehlo.optimization_barrier", "stablehlo.reduce_precision"})

_STORED = frozenset({"stablehlo.constant", "stablehlo.iota", "stablehlo.bitcast_convert"})
"""These give numbers that have their type's bits and no more."""

_MOVING = frozenset(
    f"stablehlo.{name}"
    for name in (
        *("reshape", "transpose", "broadcast_in_dim", "slice", "dynamic_slice", "dynamic_update_slice", "gather"),
        *("concatenate", "pad", "reverse", "select", "maximum", "minimum", "clamp", "negate", "abs", "sort", "scatter"),
        *("all_gather", "all_to_all", "collective_permute", "collective_broadcast"),
    )
) | {"sdy.sharding_constraint"}
"""These hand numbers on as they are: what is computed before them may reach through them unrounded."""

ACROSS_DEVICES = frozenset({"stablehlo.all_reduce", "stablehlo.reduce_scatter"})
"""Reductions over devices."""

REDUCTIONS = ACROSS_DEVICES | {"stablehlo.reduce", "stablehlo.reduce_window"}

_SELECTING = frozenset({"stablehlo.maximum", "stablehlo.minimum", "stablehlo.compare", "stablehlo.select"})


def unrounded(program: Program, value: Value) -> list[Operation]:
    """The operations that computed a bf16 or f16 value in that type, reached through moves alone; none if guarded."""
    found: list[Operation] = []
    seen: set[Value] = set()
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if value in seen or element(value) not in NARROW:
            continue
        seen.add(value)
        source = owner_of(value)
        before = _argument_sources(program, value) if source is None else _sources(program, source, number_of(value))
        if before is None:
            assert source is not None
            found.append(source)
        else:
            waiting.extend(before)
    return found


def _sources(program: Program, operation: Operation, number: int) -> list[Value] | None:
    """What a result is made of by moving alone: no values if it is stored or guarded; None if it is computed here."""
    name = operation.name
    if name in GUARDS or name in _STORED:
        return []
    if name in _MOVING or _only_selects(operation) or _is_top_k(operation):
        return list(operation.operands)
    if name == "stablehlo.while":
        return [operation.operands[number], returned(blocks(operation)[1])[number]]
    if name in {"stablehlo.if", "stablehlo.case", PER_DEVICE}:
        return [returned(block)[number] for block in blocks(operation)]
    callee = program.functions.get(called_by(operation) or "")
    return None if callee is None else [returned(blocks(callee)[0])[number]]


def _is_top_k(operation: Operation) -> bool:
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
