"""How long any list, name or text may be, in one place: bounds keep CEL cheap and status below etcd's object limit."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from typing import Any, Final

NAME: Final = 40
"""A pool's, check's or metrics source's name."""
CHILD_NAMES: Final = 51
"""Name of the SamplerRollout plus name of the pool: ``<rollout>-<pool>-<revision>`` must fit into 63 characters."""
IMAGE: Final = 512
ENDED_IMAGE: Final = 128
"""Of an image that status remembers of a release that has gone."""
POOLS: Final = 16
CLASSES: Final = 8
SHARES: Final = 5
"""Pools of one class in a route table: both tables of a rule, one of them in two revisions, fit into 16 backends."""
ROUTED_POOLS: Final = 8
"""Pools of one class behind a gateway: each may be there in two revisions, and a rule has 16 backends at most."""
TOLD: Final = 16
"""Route hashes that are remembered; a server tells four apart."""
PARENTS: Final = 4
"""Gateways, or listeners of them, of one route."""
HOSTNAMES: Final = 16
STEPS: Final = 20
CHECKS: Final = 16
REPLICAS: Final = 200
SHARDS: Final = 64
"""Devices of one pod."""
PLACED: Final = 16
"""Labels of nodes, or tolerations, that a pool's author gives."""
PRESET: Final = 4
"""Those that a platform adds."""
SPREADS: Final = 4
SECRETS: Final = 8
BIRTHS: Final = 4096
"""Pods under test: those that serve, and what pods that have gone counted."""
BIRTHS_TEXT: Final = 90_000
"""Bytes of all of them, as status holds them: 4096 pods of 16 Deployments, or fewer with names that nobody made."""
BIRTH_GROUPS: Final = 1024
HELD: Final = 20
HISTORY: Final = 10
CHANGES: Final = 16
LEFTOVERS: Final = 8
"""Releases whose pods serve on while another takes their place."""
REFUSALS: Final = 60
"""Writes that the cluster refused at the last look."""
PREFLIGHTS: Final = 4 * POOLS
"""Results of preflights: of the releases that may serve or come back."""
PROMPTS: Final = 8
PROMPT_TOKENS: Final = 64
"""Fixed prompts of a preflight, and log-probabilities of each."""
SUSPECTS: Final = 32
"""Builds and settings that are marked."""
SUSPICIONS: Final = 24
"""Of what one SamplerRollout uses; pools have an image and two settings each, most of them the same ones."""
SUSPECTS_HELD: Final = 64
"""Of all releases that were rolled back together, those of the newest."""
SUSPECT: Final = IMAGE + 16
"""What names one."""
SELECTOR: Final = 256
"""Of a SamplerPool: three labels of ours, with the names of a SamplerRollout and a pool."""
OBJECT: Final = 253
"""The name of an object of Kubernetes, or of a field manager."""
EDITS: Final = 10
"""Changes by others, the last ones."""
ALARMS: Final = 16
"""Further checks that have failed while an alarm stands; more are not told."""
REMAINS: Final = 32
"""Revisions of pools that are there and not wanted."""
RECEIVERS: Final = 8
"""Of notifications."""
NOTICES: Final = 16
"""Notifications that somebody has not been told of yet."""
STATUS: Final = 1_200_000
"""Bytes of a whole status, with every list as long as it may be: etcd takes 1.5 MiB of an object."""
SPEC: Final = 196_608
"""Bytes of a whole spec. kubectl apply stores it a second time, in an annotation."""
METRIC: Final = 112
"""A metric's name, or a label's or its value, with what a histogram adds."""
LABEL: Final = 63
"""What Kubernetes takes as a label's value: a pool, a revision."""
DETAIL: Final = 256
"""What is worth knowing of one check among many."""
TEXT: Final = 1024
"""A sentence for people."""
SENTENCE: Final = 320
"""One among many: what the cluster said of a write, what a preflight found."""
REASON: Final = 128
UNKNOWN: Final = 20
"""Why a number is not known: a word of the metrics adapter's."""
_CUT: Final = "…"


def map_by(key: str) -> dict[str, Any]:
    """Schema extension: the list is a map by ``key``, so that field managers can own single entries."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def unique(items: Iterable[Hashable]) -> bool:
    """Whether no item occurs twice."""
    found = list(items)
    return len(found) == len(set(found))


def without(items: Iterable[str], known: Collection[str | None]) -> list[str]:
    """The items that are not known."""
    return [item for item in items if item not in known]


def clip(text: str, length: int = TEXT) -> str:
    """``text``, cut to ``length`` bytes of UTF-8 with an ellipsis: what is stored is bounded in bytes."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= length:
        return text
    return encoded[: length - len(_CUT.encode())].decode(errors="ignore") + _CUT
