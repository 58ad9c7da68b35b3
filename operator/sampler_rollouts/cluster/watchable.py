"""Which kinds of children can be watched: the Gateway API need not be installed, nor need we have rights to it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from sampler_rollouts.cluster.errors import ClusterError
from sampler_rollouts.cluster.kinds import DEPLOYMENT, HTTP_ROUTE, POD, Kind
from sampler_rollouts.cluster.transport import Api

logger = logging.getLogger(__name__)

ALWAYS: Final = (DEPLOYMENT, POD)


def watched(api: Api, namespaces: Sequence[str] = ()) -> tuple[Kind, ...]:
    """The kinds to watch, of all namespaces if none is named.

    A watch that is refused ends all others too, so routes are watched only where they can be listed. Elsewhere a change
    is seen within a resync: each look reads them.
    """
    paths = [HTTP_ROUTE.path(namespace) for namespace in namespaces] or [HTTP_ROUTE.everywhere()]
    try:
        for path in paths:
            api.request("GET", path, query={"limit": "1"})
    except ClusterError as error:
        logger.info("HTTPRoutes are not watched: %s", error)
        return ALWAYS
    return (*ALWAYS, HTTP_ROUTE)
