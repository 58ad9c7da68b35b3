"""The rules. docs/preflight.md says what each refuses and why."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from samplerd.lint.origins import NARROW, reducer, unrounded
from samplerd.lint.stablehlo import (
    TOP_K,
    Operation,
    Program,
    Value,
    composite,
    element,
    integer,
    place,
    shape,
    target,
    top_k_count,
)
from samplerd.sampling import CANDIDATES

MOST_SORTED = CANDIDATES
"""The most numbers that the exact sampler ever sorts, its candidates: a vocabulary is longer."""

_APPROX_CALLS = ("approxtopk", "approx_top_k", "partialreduce")
_SORTING_CALLS = ("sort", "topk", "top_k")


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

    def spans(self, value: Value) -> bool:
        """Whether a value has a number for every token, whatever its layout: those decide which token comes out."""
        sizes = shape(value)
        return max(sizes, default=0) >= self.vocabulary or math.prod(sizes) >= self.vocabulary * self.batch


Rule = Callable[[Program, Scope], Iterator[Finding]]


def findings(program: Program, scope: Scope) -> list[Finding]:
    """Apply all rules."""
    return [found for rule in RULES.values() for found in rule(program, scope)]


def _approx_top_k(program: Program, _scope: Scope) -> Iterator[Finding]:
    for operation in program.operations:
        name = _called_name(operation).lower()
        if any(word in name for word in _APPROX_CALLS):
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
        known = any(word in name for word in _SORTING_CALLS) and not any(word in name for word in _APPROX_CALLS)
        return max(shape(operation.results[0]), default=0) if known else 0
    return 0


def _unguarded_conversion(program: Program, scope: Scope) -> Iterator[Finding]:
    for operation in program.operations:
        if operation.name != "stablehlo.convert" or not _widens(operation):
            continue
        for source in unrounded(program, operation.operands[0]):
            if scope.spans(source.results[0]):
                yield _finding(
                    "unguarded-conversion",
                    operation,
                    f"reads a {element(operation.operands[0])} result of {source.name} ({place(source) or 'unknown'}) "
                    "that may be left unrounded; put lax.optimization_barrier or lax.reduce_precision between",
                )


def _widens(operation: Operation) -> bool:
    return element(operation.operands[0]) in NARROW and element(operation.results[0]) in {"f32", "f64"}


def _narrow_sum(program: Program, scope: Scope) -> Iterator[Finding]:
    for operation in program.operations:
        if operation.name not in {"stablehlo.reduce_window", "stablehlo.reduce"}:
            continue
        added = operation.operands[0]
        sums = element(added) in NARROW and "stablehlo.add" in reducer(operation)
        if sums and (operation.name == "stablehlo.reduce_window" or scope.spans(added)):
            yield _finding(
                "narrow-sum", operation, f"adds up {element(added)} numbers: small terms vanish; sum in integers or f32"
            )


def _finding(rule: str, operation: Operation, problem: str) -> Finding:
    return Finding(rule, operation.name, place(operation), problem)


RULES: dict[str, Rule] = {
    "approx-top-k": _approx_top_k,
    "vocabulary-sort": _vocabulary_sort,
    "unguarded-conversion": _unguarded_conversion,
    "narrow-sum": _narrow_sum,
}

__all__ = ["RULES", "Finding", "findings"]
