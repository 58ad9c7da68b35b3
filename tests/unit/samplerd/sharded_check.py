"""Run by test_sharded.py in a process of its own, for which eight devices are emulated: argv are the mesh sizes."""

import sys

import jax

jax.config.update("jax_num_cpu_devices", 8)

import numpy as np  # noqa: E402
from jax.sharding import AxisType  # noqa: E402
from samplerd import sampling  # noqa: E402
from samplerd.edit_list import EditList, Wishes, no_edits  # noqa: E402
from samplerd.rows import Rows  # noqa: E402
from samplerd.sharded import sharded_sampler  # noqa: E402

from tests.unit.compiling import compiled_once  # noqa: E402
from tests.unit.samplerd import made  # noqa: E402

VOCABULARY, WIDTH, TIERS = 1003, 1010, (16, 100)
ASKED = [
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


def rows_of(edited: bool) -> Rows:
    rows = made.rows(len(ASKED))
    for row, asked in enumerate(ASKED):
        for name, value in asked.items():
            getattr(rows, name)[row] = value
    if not edited:
        return rows
    edits = no_edits(len(ASKED), capacity=16, vocabulary=VOCABULARY)
    wishes = Wishes(
        logit_bias=((0, 3.0), (502, 4.0), (1002, 5.0)),
        repetition_penalty=1.5,
        allowed_ids=tuple(range(0, VOCABULARY, 2)),
    )
    for row in range(1, len(ASKED), 2):
        EditList(wishes, [500, 501, 334, 335], capacity=16, vocabulary=VOCABULARY).write(edits, row)
    return rows._replace(edits=edits, logprobs=np.arange(len(ASKED)) % 3 == 0)


def batches() -> list[np.ndarray]:
    """Heavy ties over the borders of parts, long tails, junk in the padding, one invalid row."""
    found = []
    for kind in ("normal", "zipf", "ties", "all equal", "masked", "flat"):
        logits = made.logits(np.random.default_rng([*kind.encode()]), len(ASKED), WIDTH, kind)
        logits[:, VOCABULARY:] = [np.nan, np.inf, 1e30, 0, 7, np.nan, 1e9]
        logits[2, 700] = np.nan
        found.append(logits)
    return found


def main() -> None:
    compiled_once()
    for name in sys.argv[1:]:
        size, edited = int(name.removesuffix("e")), name.endswith("e")
        mesh = jax.make_mesh((size,), ("vocabulary",), devices=jax.devices()[:size], axis_types=(AxisType.Auto,))
        over_mesh = jax.jit(sharded_sampler(mesh, "vocabulary", vocabulary=VOCABULARY, tiers=TIERS))
        alone = jax.jit(lambda logits, rows: sampling.sample(logits, rows, vocabulary=VOCABULARY, tiers=TIERS))
        rows = rows_of(edited)
        for logits in batches():
            one, many = jax.device_get((alone(logits, rows), over_mesh(logits, rows)))
            for field in ("token", "valid", "best", "kept", "threshold", "certified"):
                np.testing.assert_array_equal(getattr(one, field), getattr(many, field), err_msg=f"{name} {field}")
            assert not one.valid[2]
            assert one.token.max() < VOCABULARY
            assert set(one.certified.tolist()) == {True, False}
            if edited:
                jax.tree.map(np.testing.assert_array_equal, one.logprobs, many.logprobs)
        print(f"{name}: equal")  # noqa: T201


if __name__ == "__main__":
    main()
