"""The rules. docs/preflight.md says what each refuses and why."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from samplerd.lint.origins import (
    ACROSS_DEVICES,
    APPROX_CALLS,
    NARROW,
    REDUCTIONS,
    SORTING_CALLS,
    is_fixed,
    is_top_k,
    reached,
    reducer,
    unrounded,
)
from samplerd.lint.stablehlo import (
    PER_DEVICE,
    TOP_K,
    Operation,
    Program,
    Value,
    blocks,
    composite,
    contracted,
    element,
    integer,
    is_float,
    is_split,
    owner_of,
    place,
    shape,
    target,
    top_k_count,
)
from samplerd.sampling import CANDIDATES

MOST_SORTED = CANDIDATES
"""The most numbers that the exact sampler ever sorts, its candidates: a vocabulary is longer."""

_ALWAYS_LONG = ACROSS_DEVICES | {"stablehlo.reduce_window"}
"""Sums that take in the whole vocabulary whatever the shape of what they add: running ones, and those over devices."""
_COLLECTIVES = ACROSS_DEVICES | {
    f"stablehlo.{name}" for name in ("all_gather", "all_to_all", "collective_permute", "collective_broadcast")
}


@dataclass(frozen=True)
class Finding:
    """One operation that must not be there."""

    rule: str
    operation: str
    place: str
    """The line of source it comes from, if the program says."""
    problem: str


@dataclass(frozen=True)
class Scope:
    """The sizes by which logits are known."""

    vocabulary: int
    batch: int
    shards: int = 1

    def spans(self, value: Value) -> bool:
        """Whether a value has a number for every token, of one device at least, whatever its layout.

        Those decide which token comes out.
        """
        return self._covers(value, self.part)

    @property
    def part(self) -> int:
        """How many tokens one device has at most."""
        return -(-self.vocabulary // self.shards)

    def whole(self, value: Value) -> bool:
        """Whether a value has a number for every token of all devices."""
        return self._covers(value, self.vocabulary)

    def _covers(self, value: Value, tokens: int) -> bool:
        sizes = shape(value)
        return max(sizes, default=0) >= tokens or math.prod(sizes) >= tokens * self.batch


Rule = Callable[[Program, Scope], Iterator[Finding]]


def findings(program: Program, scope: Scope) -> list[Finding]:
    """Apply all rules."""
    return [found for rule in RULES.values() for found in rule(program, scope)]


def _approx_top_k(program: Program, _scope: Scope) -> Iterator[Finding]:
    for operation in program.operations:
        name = _called_name(operation).lower()
        if any(word in name for word in APPROX_CALLS):
            yield _finding("approx-top-k", operation, f"{_called_name(operation)} may lose the best tokens")


def _called_name(operation: Operation) -> str:
    if operation.name == "stablehlo.custom_call":
        return target(operation)
    return composite(operation) if operation.name == "stablehlo.composite" else operation.name


def _vocabulary_sort(program: Program, scope: Scope) -> Iterator[Finding]:
    for operation in program.operations:
        length = _sorted_length(operation)
        if length > MOST_SORTED or (length >= scope.vocabulary and operation.name == "stablehlo.sort"):
            yield _finding(
                "vocabulary-sort", operation, f"sorts {length} numbers a row, where {MOST_SORTED} candidates are enough"
            )


def _sorted_length(operation: Operation) -> int:
    """How many numbers of a row an operation puts in order; 0 if it does no such thing."""
    if operation.name == "stablehlo.sort":
        return shape(operation.operands[0])[integer(operation, "dimension")]
    if operation.name == "stablehlo.composite" and composite(operation) == TOP_K:
        return top_k_count(operation)
    if operation.name == TOP_K:
        return integer(operation, "k")
    if operation.name == "stablehlo.custom_call":
        name = target(operation).lower()
        known = any(word in name for word in SORTING_CALLS) and not any(word in name for word in APPROX_CALLS)
        return max(shape(operation.results[0]), default=0) if known else 0
    return 0


def _unguarded_conversion(program: Program, scope: Scope) -> Iterator[Finding]:
    for operation in program.operations:
        if operation.name == "stablehlo.convert" and element(operation.results[0]) in {"f32", "f64"}:
            yield from _unguarded("unguarded-conversion", "reads", operation, operation.operands[0], program, scope)


def _unguarded_comparison(program: Program, scope: Scope) -> Iterator[Finding]:
    for operation in program.operations:
        for value in _compared(operation):
            yield from _unguarded("unguarded-comparison", "compares", operation, value, program, scope)


def _compared(operation: Operation) -> list[Value]:
    """What an operation puts in order, also within the body of a reduction or sort.

    A number that is compared with itself is only asked if it is one.
    """
    if operation.name == "stablehlo.compare":
        left, right = operation.operands
        return [] if left == right else [left, right]
    return [operation.operands[0]] if is_top_k(operation) else []


def _unguarded(
    rule: str, does: str, operation: Operation, value: Value, program: Program, scope: Scope
) -> Iterator[Finding]:
    for source in unrounded(program, value, scope.spans):
        yield _finding(
            rule,
            operation,
            f"{does} a {element(value)} result of {source.name} ({place(source) or 'unknown'}) "
            "that may be left unrounded; put lax.optimization_barrier between, or lax.reduce_precision to its bits",
        )


def _narrow_sum(program: Program, scope: Scope) -> Iterator[Finding]:
    for operation in program.operations:
        if operation.results and element(operation.results[0]) in NARROW and _sums(program, operation, scope):
            yield _finding(
                "narrow-sum",
                operation,
                f"adds up {element(operation.results[0])} numbers: small terms vanish; sum in integers or f32",
            )


def _sums(program: Program, operation: Operation, scope: Scope) -> bool:
    """Whether an operation adds up numbers of the vocabulary: by itself, by a fixed matrix, or step by step.

    A matrix that is not fixed is no such sum: embeddings are looked up by a product with it.
    """
    if operation.name in REDUCTIONS:
        long = operation.name in _ALWAYS_LONG or scope.spans(operation.operands[0])
        return long and "stablehlo.add" in reducer(operation)
    if operation.name == "stablehlo.dot_general":
        return contracted(operation) >= scope.part and any(is_fixed(program, each) for each in operation.operands)
    if operation.name != "stablehlo.add":
        return False
    left, right = operation.operands
    return any(
        operation.results[0] in reached(program, total) and any(map(scope.spans, reached(program, term)))
        for total, term in ((left, right), (right, left))
    )


def _gathered_logits(program: Program, scope: Scope) -> Iterator[Finding]:
    for operation in program.operations if scope.shards > 1 else ():
        problem = _gathers(program, operation, scope)
        if problem:
            yield _finding("gathered-logits", operation, problem)


def _gathers(program: Program, operation: Operation, scope: Scope) -> str:
    """How an operation brings one device's logits to others; nothing if it does not."""
    if operation.name in _COLLECTIVES:
        most = max(math.prod(shape(operand)) for operand in operation.operands) / scope.batch
        many = most > MOST_SORTED
        return f"hands {most:g} numbers a row to other devices: candidates are {MOST_SORTED}" if many else ""
    if operation.name == "sdy.sharding_constraint":
        whole = scope.whole(operation.results[0]) and not is_split(operation)
        return "puts the logits of all tokens on every device" if whole else ""
    if operation.name == PER_DEVICE:
        inside = zip(operation.operands, blocks(operation)[0].arguments, strict=True)
        whole = any(_is_computed(given) and scope.whole(taken) for given, taken in inside)
        return "gives each device the logits of all tokens: split them in in_specs" if whole else ""
    ordered = _sorted_length(operation) and scope.whole(operation.operands[0])
    outside = ordered and not program.runs_per_device(operation)
    return "is left to the compiler to split, which gathers all logits for it: use shard_map" if outside else ""


def _is_computed(value: Value) -> bool:
    """Whether a value is made of floats by this program: tables are not, nor is what requests ask for."""
    source = owner_of(value)
    return is_float(value) and source is not None and source.name != "stablehlo.constant"


def _finding(rule: str, operation: Operation, problem: str) -> Finding:
    return Finding(rule, operation.name, place(operation), problem)


RULES: dict[str, Rule] = {
    "approx-top-k": _approx_top_k,
    "vocabulary-sort": _vocabulary_sort,
    "unguarded-conversion": _unguarded_conversion,
    "unguarded-comparison": _unguarded_comparison,
    "narrow-sum": _narrow_sum,
    "gathered-logits": _gathered_logits,
}

__all__ = ["RULES", "Finding", "findings"]
