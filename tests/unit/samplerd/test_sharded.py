"""A vocabulary split over emulated devices gives the tokens of one device, uneven parts and ties over borders included.

Public failures: TensorRT-LLM#18836, nkipy#52, tt-metal#48222, jax#19271. LONG=1 sweeps all mesh sizes.
"""

import os
import re
from functools import partial
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import pytest
from jax.sharding import AxisType
from samplerd import sampling
from samplerd.edit_list import EditList, Wishes, no_edits
from samplerd.head_model import head_model
from samplerd.model import Model
from samplerd.program import Executables, drawn, idle_rows, production_program
from samplerd.rows import Rows
from samplerd.sharded import sharded_sampler
from samplerd.shards import TooFewDevicesError, shards_here, vocabulary_mesh
from samplerd.split_step import SplitStep

from tests.unit.samplerd import made

MESHES = (1, 2, 3, 4, 8) if os.environ.get("LONG") else (3,)
VOCABULARY, WIDTH, SIZE = 1003, 1010, 16
ASKED: list[dict[str, Any]] = [
    {"temperature": 0.0},
    {},
    {"top_k": 1},
    {"top_k": 12, "top_p": 0.9},
    {"top_k": 500},
    {"top_p": 0.5},
    {"top_p": 0.999},
    {"min_p": 0.1},
    {"min_p": 1e-4, "top_p": 0.98},
    {"temperature": 0.3, "top_k": 400, "top_p": 0.99},
]


def asked(rows: Rows) -> Rows:
    for row in range(len(rows.temperature)):
        for name, value in ASKED[row % len(ASKED)].items():
            getattr(rows, name)[row] = value
    return rows


def edited_rows() -> Rows:
    """Every other row with bias, penalties and allowed ids at the borders of parts; some with log-probabilities."""
    edits = no_edits(len(ASKED), capacity=16, vocabulary=VOCABULARY)
    wishes = Wishes(
        logit_bias=((0, 3.0), (502, 4.0), (1002, 5.0)),
        repetition_penalty=1.5,
        allowed_ids=tuple(range(0, VOCABULARY, 2)),
    )
    for row in range(1, len(ASKED), 2):
        EditList(wishes, [500, 501, 334, 335], capacity=16, vocabulary=VOCABULARY).write(edits, row)
    return asked(made.rows(len(ASKED)))._replace(edits=edits, logprobs=np.arange(len(ASKED)) % 3 == 0)


def batches() -> list[npt.NDArray[np.float32]]:
    """Heavy ties over the borders of parts, long tails, junk in the padding, one invalid row."""
    found = []
    for kind in ("normal", "zipf", "ties", "all equal", "masked", "flat"):
        logits = made.logits(np.random.default_rng([*kind.encode()]), len(ASKED), WIDTH, kind)
        logits[:, VOCABULARY:] = [np.nan, np.inf, 1e30, 0, 7, np.nan, 1e9]
        logits[2, 700] = np.nan
        found.append(logits)
    return found


@pytest.mark.compiles
@pytest.mark.parametrize("size", MESHES)
def test_a_split_vocabulary_gives_the_same_tokens(size: int) -> None:
    mesh = jax.make_mesh((size,), ("part",), devices=jax.devices()[:size], axis_types=(AxisType.Auto,))
    over_mesh = jax.jit(sharded_sampler(mesh, "part", vocabulary=VOCABULARY, size=SIZE))
    alone = jax.jit(partial(sampling.sample, vocabulary=VOCABULARY, size=SIZE))
    rows = edited_rows()
    for logits in batches():
        one, many = jax.device_get((alone(logits, rows), over_mesh(logits, rows)))
        jax.tree.map(np.testing.assert_array_equal, one, many)
        assert not one.valid[2]
        assert one.token.max() < VOCABULARY
        assert set(one.certified.tolist()) == {True, False}


@pytest.fixture(scope="module")
def split(model: Model) -> Executables:
    """The toy model's 455 tokens over four devices: 114, 114, 114 and 113."""
    return Executables(model, production_program(model), batch_sizes=(4,), chunk_sizes=(16,), vocab_shards=4)


def test_a_split_step_is_the_step_of_one_device(executables: Executables, split: Executables, model: Model) -> None:
    for turn, tokens in enumerate(np.random.default_rng(4).integers(3, model.vocabulary, (6, 4)).astype(np.int32)):
        rows = asked(idle_rows(4, model)._replace(temperature=np.ones(4, np.float32)))
        rows.position[:] = turn + 1
        rows.seed[:, 0] = np.arange(4) + 10 * turn
        assert rows.logprobs is not None
        np.asarray(rows.logprobs)[turn % 4] = True
        one, many = executables.step(tokens, rows), split.step(tokens, rows)
        np.testing.assert_array_equal(one.logits, many.logits)
        for name in ("token", "valid", "best", "kept", "threshold", "certified"):
            np.testing.assert_array_equal(getattr(one, name), getattr(many, name), err_msg=name)
        assert one.logprobs is not None
        assert many.logprobs is not None
        jax.tree.map(np.testing.assert_array_equal, one.logprobs, many.logprobs)


def test_no_device_gets_the_logits_of_another(model: Model) -> None:
    """What crosses devices is candidates and sums: far fewer numbers than a row of the vocabulary has."""
    vocabulary, batch = 32768, 2
    generator = np.random.default_rng(1)
    hidden = generator.standard_normal((8, 16)).astype(np.float32)
    wide = head_model(model, hidden, generator.standard_normal((16, vocabulary)).astype(np.float32), "float32")
    step = SplitStep(wide, partial(drawn, production_program(wide)), 4)
    assert [shard.data.shape for shard in step._matrices.addressable_shards] == [(16, vocabulary // 4)] * 4
    rows = idle_rows(batch, wide)
    with jax.set_mesh(step._mesh):
        text: str = step._rest.lower(step._matrices, hidden[:batch], rows).compile().as_text()
    crossing = re.findall(r"= (.*?) (all-gather|all-reduce|all-to-all|collective-permute)(?:-start)?\(", text)
    sizes = [int(np.prod([int(n) for n in dims.split(",") if n])) for found, _ in crossing
             for dims in re.findall(r"\w+\[([\d,]*)\]", found)]  # fmt: skip
    assert any(kind == "all-gather" for _, kind in crossing)
    assert max(sizes) < batch * vocabulary / 4


def test_the_vocabulary_is_whole_where_no_mesh_is_set_and_within_a_part() -> None:
    seen = []

    def look(x: jax.Array) -> jax.Array:
        seen.append(shards_here())
        return x

    jax.eval_shape(look, 1.0)
    with jax.set_mesh(vocabulary_mesh(2)):
        jax.eval_shape(look, 1.0)
        whole = jax.sharding.PartitionSpec()
        jax.eval_shape(jax.shard_map(look, in_specs=whole, out_specs=whole), 1.0)
    assert seen == [1, 2, 1]


def test_more_shards_than_devices_are_refused_with_the_remedy(model: Model) -> None:
    with pytest.raises(
        TooFewDevicesError, match=r"^vocab_shards: 9 devices are needed and 8 \(cpu\) are here: lower it"
    ):
        Executables(model, production_program(model), batch_sizes=(1,), chunk_sizes=(16,), vocab_shards=9)
