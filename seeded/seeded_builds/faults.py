"""The seeded faults by name."""

from samplerd.program import ProgramFor, production_program

from seeded_builds import (
    approximate_top_k,
    excess_precision,
    ignored_temperature,
    padded_vocabulary,
    rare_token_boost,
    reused_noise,
    shard_offset,
    shared_noise,
)

FAULTS: dict[str, ProgramFor] = {
    "rare-token-boost": rare_token_boost.program,
    "approximate-top-k": approximate_top_k.program,
    "excess-precision": excess_precision.program,
    "reused-noise": reused_noise.program,
    "shared-noise": shared_noise.program,
    "padded-vocabulary": padded_vocabulary.program,
    "shard-offset": shard_offset.program,
    "ignored-temperature": ignored_temperature.program,
}

_COUNTERPARTS: dict[str, ProgramFor] = {"excess-precision": excess_precision.guarded}


def right_for(name: str) -> ProgramFor:
    """What a fault is to be compared with: production's program, unless the fault comes with one of its own."""
    return _COUNTERPARTS.get(name, production_program)
