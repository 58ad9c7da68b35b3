"""What the story's waits may take, in seconds. A warm run needs a quarter of them; they end a story that hangs."""

from __future__ import annotations

from typing import Final

OPERATOR_READY: Final = 120
FIRST_READY: Final = 420
FIRST_ANSWER: Final = 60
PROMOTION: Final = 900
BAKE: Final = 180
ROLLBACK: Final = 600
RECOVERY: Final = 240
CLEARING: Final = 120

ALONE: Final = 20.0
"""How long release 1 serves alone under load, so that there is something to compare with."""
SETTLING: Final = 30.0
"""How long after the end of the load the components are said to be at rest: the kubelet looks every ten seconds."""
PODS: Final = 4
"""Two pools of two replicas, as in examples/demo-rollout.yaml."""
