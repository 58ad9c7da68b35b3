"""Whether a rollout's disruption budgets are to be looked for: nobody else needs the right to any. Pure."""

from __future__ import annotations

from sampler_rollouts.domain.outcome import Manifest


def has_budgets(rollout: Manifest) -> bool:
    """Whether its spec, which may be of any form, asks for some, or its status says that some may be there."""
    pools = (rollout.get("spec") or {}).get("pools")
    named = [pool for pool in pools if isinstance(pool, dict)] if isinstance(pools, list) else []
    wanted = any(pool.get("disruptionBudget") is not None for pool in named)
    return wanted or bool((rollout.get("status") or {}).get("budgets"))
