"""What sees which seeded fault in traffic, and at which batch sizes; the page's table says the same."""

import jax
import numpy as np
import pytest
from samplerd import sampling
from samplerd.model import Model
from samplerd.program import Executables, production_program
from samplerd.reach import Reach
from seeded_builds import excess_precision, shard_offset
from seeded_builds.faults import FAULTS

from tests.support.fault_table import BATCH_SIZES, BEGIN, END, PAGE, TOKENS, Counted, Traffic, measure
from tests.unit.samplerd import made
from tests.unit.seeded.faults_by_share import shared

# By fault: batch sizes at which the audit sees it, whether calibration does, and the checks that do.
CAUGHT: dict[str, tuple[set[int], bool, set[str]]] = {
    "production": (set(), False, set()),
    "rare-token-boost": (set(), False, {"unexpected-script"}),
    "approximate-top-k": ({4}, True, set()),
    "excess-precision": ({4}, True, set()),
    "reused-noise": ({1, 4}, False, set()),
    "shared-noise": ({4}, False, set()),
    "padded-vocabulary": ({1, 4}, False, {"errors"}),
    "shard-offset": ({1, 4}, False, set()),
    "ignored-temperature": ({1, 4}, True, set()),
}
REQUESTS = 60
SLOW = pytest.mark.slow


_measured: dict[str, dict[int, Counted]] = {}


def by_size(model: Model, name: str) -> dict[int, Counted]:
    program_for = production_program if name == "production" else FAULTS[name]
    if name not in _measured:
        _measured[name] = {size: measure(model, program_for, size, REQUESTS) for size in BATCH_SIZES}
    return _measured[name]


@pytest.mark.compiles
@pytest.mark.parametrize("name", shared(CAUGHT))
def test_who_sees_what(model: Model, name: str) -> None:
    counted = by_size(model, name)
    audit, calibration, checks = CAUGHT[name]
    assert all(one.audited > 300 and one.dropped == 0 for one in counted.values())
    assert {size for size, one in counted.items() if one.audit_sees} == audit
    assert any(one.calibration_sees for one in counted.values()) == calibration
    assert {check for one in counted.values() for check in one.checks_that_see} == checks


def test_every_fault_is_seen_by_something() -> None:
    assert set(CAUGHT) == {"production", *FAULTS}
    assert all(
        audit or calibration or checks for name, (audit, calibration, checks) in CAUGHT.items() if name in FAULTS
    )


def test_the_page_says_the_same() -> None:
    made_lines = PAGE.read_text().split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in made_lines]
    said = {
        name.strip("`"): ({1} if one != "no" else set()) | ({4} if four != "no" else set())
        for name, one, four, *_ in cells
    }
    assert said == {name: audit for name, (audit, _, _) in CAUGHT.items()}
    assert {row[0].strip("`"): row[3] != "no" for row in cells} == {name: seen for name, (_, seen, _) in CAUGHT.items()}
    for row in cells:
        checks = CAUGHT[row[0].strip("`")][2]
        assert all(f"`{check}`" in row[4] for check in checks)
        assert checks or row[4] == "no"


@pytest.mark.compiles
def test_the_barrier_alone_cures_excess_precision(model: Model) -> None:
    cured = measure(model, excess_precision.guarded, 4, REQUESTS)
    assert cured.audited > 300
    assert not cured.mismatches
    assert abs(cured.sigmas) < 4


@pytest.mark.long
def test_the_offset_alone_is_wrong_with_shards(model: Model) -> None:
    """The emulated parts that know where they stand give production's tokens."""
    logits = made.logits(np.random.default_rng(3), 4, model.vocabulary, "ties")
    rows = made.rows(4, top_p=0.95)
    right = jax.jit(sampling.sample)(logits, rows)
    parts = jax.jit(lambda logits, rows: shard_offset.over_parts(logits, rows, Reach))(logits, rows)
    for field in ("token", "valid", "best", "kept", "threshold"):
        np.testing.assert_array_equal(getattr(right, field), getattr(parts, field), err_msg=field)


@pytest.mark.compiles
@pytest.mark.parametrize(
    "name", ["approximate-top-k", *(pytest.param(name, marks=SLOW) for name in ("production", "rare-token-boost"))]
)
def test_the_demos_builds_are_seen_alike_with_the_vocabulary_split(model: Model, name: str) -> None:
    """The pool `wide` of the demo: batches of four, four devices. The same seeds give the same counters."""
    program = FAULTS.get(name, production_program)(model)
    executables = Executables(model, program, batch_sizes=(4,), chunk_sizes=(64,), vocab_shards=4)
    traffic = Traffic(executables, seed=4)
    traffic.serve(REQUESTS, TOKENS)
    split, whole = traffic.counted(), by_size(model, name)[4]
    assert split.audit_sees == (4 in CAUGHT[name][0])
    assert split.mismatches == whole.mismatches
    assert (split.audited, split.checked, split.bad) == (whole.audited, whole.checked, whole.bad)


@pytest.mark.slow
@pytest.mark.compiles
def test_a_token_that_does_not_exist_fails_its_request_and_nothing_else(model: Model) -> None:
    counted = by_size(model, "padded-vocabulary")[4]
    assert 0 < counted.bad["errors"] < counted.checked["errors"]
    assert counted.mismatches["outside-kept"] >= counted.bad["errors"]
