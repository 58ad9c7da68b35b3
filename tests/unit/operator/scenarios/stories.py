"""All stories: importing this registers them."""

from __future__ import annotations

from tests.support.scenarios.telling import SCENARIOS
from tests.unit.operator.scenarios import (
    stories_acts,
    stories_budgets,
    stories_classes,
    stories_cluster,
    stories_deletion,
    stories_gateway,
    stories_gitops,
    stories_meanwhile,
    stories_metrics,
    stories_operator,
    stories_pause,
    stories_pods,
    stories_preflight,
    stories_promotion,
    stories_rollback,
    stories_scaling,
    stories_scope,
    stories_suspects,
    stories_table,
    stories_turns,
    stories_warm,
)

TOLD_IN = (
    stories_promotion,
    stories_rollback,
    stories_pods,
    stories_preflight,
    stories_meanwhile,
    stories_metrics,
    stories_cluster,
    stories_operator,
    stories_pause,
    stories_deletion,
    stories_gitops,
    stories_acts,
    stories_suspects,
    stories_gateway,
    stories_table,
    stories_warm,
    stories_budgets,
    stories_classes,
    stories_scaling,
    stories_scope,
    stories_turns,
)
ALL = tuple(SCENARIOS.values())
