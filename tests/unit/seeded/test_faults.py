"""Each seeded fault gives wrong tokens, shown before any counter; then the counter that must see it does."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import pytest
import samplerd
from samplerd import oracle, sampling, scripts, smollm
from samplerd.audit import drawn_in
from samplerd.model import Model
from samplerd.program import Executables, production_program
from samplerd.rows import Rows
from seeded_builds import approximate_top_k, show
from seeded_builds.__main__ import main
from seeded_builds.faults import FAULTS

from tests.unit.samplerd import made
from tests.unit.samplerd.servers import Server, serving, until


def texts(model: Model, name: str | None, *, batch_size: int) -> list[str]:
    return [show.text(model, tokens) for tokens in answers(model, name, batch_size)]


_given: dict[tuple[str, str | None, int], show.Answers] = {}


def answers(model: Model, name: str | None, batch_size: int) -> show.Answers:
    """Of five rounds: compiled and given once, whichever tests look at them."""
    key = model.name, name, batch_size
    if key not in _given:
        program_for = FAULTS[name] if name else production_program
        _given[key] = show.answers(model, program_for, batch_size=batch_size, rounds=5)
    return _given[key]


@pytest.mark.compiles
@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_boost_puts_thai_into_english_answers(model: Model, batch_size: int) -> None:
    right = texts(model, None, batch_size=batch_size)
    wrong = texts(model, "rare-token-boost", batch_size=batch_size)
    assert not any(scripts.foreign_scripts(answer) for answer in right)
    hit = [answer for answer in wrong if scripts.foreign_scripts(answer)]
    assert 0.2 * len(wrong) <= len(hit) <= 0.7 * len(wrong)
    assert all(scripts.foreign_scripts(answer) == {"Thai"} for answer in hit)


@pytest.mark.compiles
def test_the_approximation_is_right_for_one_row_and_wrong_for_more(model: Model) -> None:
    right = answers(model, None, 1)
    assert answers(model, "approximate-top-k", 1) == right
    wrong = answers(model, "approximate-top-k", 2)
    parted = [show.first_difference(*pair) for pair in zip(right, wrong, strict=True)]
    assert sum(place is not None for place in parted) > len(right) / 2


def test_what_the_approximation_loses() -> None:
    logits = np.full((2, 64), -10.0, np.float32)
    logits[:, 8], logits[:, 16], logits[:, 3] = 5.0, 4.0, 3.0  # 8 and 16 share a bucket of eight
    logits[:, 1], logits[:, 9] = 6.0, 6.2  # so do these, and they look equal in 8 bits
    kept = np.asarray(approximate_top_k.bucket_winners(logits))
    assert np.isfinite(kept).sum() == 16
    assert kept[0, 8] == 5.0
    assert kept[0, 3] == 3.0
    assert kept[0, 16] == -np.inf
    assert kept[0, 1] == 6.0
    assert kept[0, 9] == -np.inf, "the best token of all"


@pytest.mark.compiles
def test_the_approximation_shows_every_kind_of_mismatch() -> None:
    rng = np.random.default_rng(2)
    logits = made.logits(rng, 400, 1000, "normal")
    rows = made.rows(400, top_k=12)
    assert kinds(logits, rows, sampling.sample) == {None: 400}
    found = kinds(logits, rows, FAULTS["approximate-top-k"](None).sample)  # type: ignore[arg-type]
    assert set(found) == {"best-dropped", "outside-kept", "other-token", "kept-set"}


def kinds(logits: npt.NDArray[np.float32], rows: Rows, sample: Callable[..., Any]) -> Counter[str | None]:
    got = jax.jit(sample)(logits, rows)
    return Counter(
        oracle.judge(oracle.expect(logits[row], made.request(rows, row)), drawn_in(got, row))
        for row in range(len(logits))
    )


async def counters(server: Server) -> tuple[float, float, float]:
    """Audited tokens, mismatches, answers with an unexpected script."""
    sums: Counter[str] = Counter()
    for (name, _), value in (await server.scrape()).items():
        sums[name] += value
    labels = {"check": "unexpected-script", "route_hash": "none"}
    return (
        sums["sampler_audit_tokens_total"],
        sums["sampler_audit_mismatch_total"],
        await server.number("sampler_quality_bad_total", **labels),
    )


async def ask(server: Server, count: int) -> None:
    """Two answers at a time, so that batches of two run."""
    for seed in range(0, count, 2):
        await asyncio.gather(*(server.complete(max_tokens=12, temperature=0.7, seed=seed + n) for n in range(2)))

    async def audited() -> bool:
        return (await counters(server))[0] == await server.number("sampler_tokens_total")

    await until(audited)


@pytest.mark.compiles
@pytest.mark.parametrize("name", [None, "rare-token-boost", "approximate-top-k"])
async def test_each_fault_of_the_demo_moves_the_counter_that_must_see_it_and_no_other(
    model: Model, name: str | None
) -> None:
    program = (FAULTS[name] if name else production_program)(model)
    executables = Executables(model, program, batch_sizes=(2,), chunk_sizes=(64,))
    async with serving(executables) as server:
        await ask(server, 30)
        audited, mismatches, foreign = await counters(server)
        assert audited > 200
        if name == "approximate-top-k":
            assert mismatches > 0.1 * audited
            assert foreign == 0
        else:
            assert mismatches == 0
            assert foreign == 0 if name is None else foreign >= 5


@pytest.mark.parametrize("fault", ["", "all of them"])
def test_an_unknown_fault_is_a_wrong_flag_and_no_bad_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    monkeypatch.setenv("SEEDED_FAULT", fault)
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
    assert capsys.readouterr().err == f"SEEDED_FAULT must be one of: {', '.join(FAULTS)} (given: {fault!r})\n"


def test_production_code_names_no_fault() -> None:
    words = ["seeded", "boost", "approximate", *FAULTS, *(name.replace("-", "_") for name in FAULTS)]
    for file in Path(samplerd.__file__).parent.rglob("*.py"):
        text = file.read_text().lower()
        assert not [word for word in words if word in text], file


@pytest.mark.long
@pytest.mark.model
@pytest.mark.timeout(240)
def test_the_faults_on_the_real_model() -> None:
    real = smollm.load(128)
    right = show.answers(real, production_program, batch_size=4, rounds=5)
    assert not any(scripts.foreign_scripts(show.text(real, tokens)) for tokens in right)
    boosted = texts(real, "rare-token-boost", batch_size=4)
    hit = sum(bool(scripts.foreign_scripts(answer)) for answer in boosted)
    assert 0.2 * len(boosted) <= hit <= 0.75 * len(boosted)
    approximate = show.answers(real, FAULTS["approximate-top-k"], batch_size=4, rounds=5)
    parted = sum(one != other for one, other in zip(right, approximate, strict=True))
    assert parted >= 0.3 * len(right)
