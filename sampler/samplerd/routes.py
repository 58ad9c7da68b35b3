"""Where a request came from: the route header that a gateway sets (which table, in which epoch), or a prober."""

import re
from dataclasses import dataclass

from quality_contract import NO_ROUTE_HASH, OTHER_ROUTE_HASH

SESSION_HEADER = "x-session-id"

_FORM = re.compile(r"([0-9a-f]{4,64})(?:;([0-9]{1,18}))?", re.ASCII)
_MOST_HASHES = 4


@dataclass(frozen=True)
class Route:
    """Where a request came from. `epoch` is None where sessions do not stick, and without a (well-formed) header."""

    hash: str = NO_ROUTE_HASH
    epoch: int | None = None


def parse_route(header: str | None) -> Route:
    """Read `<hash>` or `<hash>;<epoch>`; anything else is as good as none."""
    match = _FORM.fullmatch(header or "")
    return Route(match[1], int(match[2]) if match[2] else None) if match else Route()


@dataclass(frozen=True)
class Caller:
    """Who asks, as far as counting goes. Whether it is a probe is told by the port it came in by, never by a header."""

    route_header: str | None = None
    session: str | None = None
    probe: bool = False


class RouteLabels:
    """Keeps the metrics' label `route_hash` small, whatever clients send."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def label(self, route: Route) -> str:
        """The hash itself for the first four different ones, `other` for all later ones."""
        if route.hash == NO_ROUTE_HASH or route.hash in self._known:
            return route.hash
        if len(self._known) >= _MOST_HASHES:
            return OTHER_ROUTE_HASH
        self._known.add(route.hash)
        return route.hash

    def knows(self, label: str) -> bool:
        """Whether requests have been counted under this label."""
        return label in (NO_ROUTE_HASH, OTHER_ROUTE_HASH) or label in self._known
