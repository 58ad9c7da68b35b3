"""The seeded faults by name."""

from samplerd.program import ProgramFor

from seeded_builds import approximate_top_k, rare_token_boost

FAULTS: dict[str, ProgramFor] = {
    "rare-token-boost": rare_token_boost.program,
    "approximate-top-k": approximate_top_k.program,
}
