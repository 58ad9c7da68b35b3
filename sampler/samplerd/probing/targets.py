"""Who is asked next: all targets in turn, and of each all its addresses in turn, but for those that want a rest."""

import asyncio
import logging
import socket
from dataclasses import dataclass, field

from samplerd.probing.settings import address_of

log = logging.getLogger(__name__)

FIRST_REST = 1.0
LONGEST_REST = 60.0
"""Seconds. An address that turned a probe away, or did not answer, is left alone for twice as long each time."""
_RESOLVE_SECONDS = 5.0

Address = tuple[str, int]
"""Host and port."""


@dataclass
class Place:
    """One address: the probes under way there, and until when it is left alone (seconds of the loop's clock)."""

    address: Address
    under_way: int = 0
    rests_until: float = 0.0
    _rest: float = FIRST_REST

    def turned_away(self, now: float, retry_after: float | None) -> None:
        """It wants no probe: for as long as it says, or longer than the last time."""
        if now < self.rests_until:
            return  # under way together with one that was turned away: no further refusal
        wanted = self._rest if retry_after is None else max(FIRST_REST, retry_after)
        self.rests_until = now + min(LONGEST_REST, wanted)
        self._rest = min(LONGEST_REST, 2 * self._rest)

    def answered(self) -> None:
        """It takes probes."""
        self._rest = FIRST_REST


@dataclass
class Target:
    """What one flag names."""

    name: str
    places: list[Place] = field(default_factory=list)
    _turn: int = 0

    def pick(self, now: float, per_address: int) -> Place | str:
        """The address whose turn it is, or why there is none: ``no-address``, ``resting`` or ``busy``."""
        if not self.places:
            return "no-address"
        order = [self.places[(self._turn + step) % len(self.places)] for step in range(len(self.places))]
        awake = [place for place in order if place.rests_until <= now]
        free = next((place for place in awake if place.under_way < per_address), None)
        if free is None:
            return "busy" if awake else "resting"
        self._turn = self.places.index(free) + 1
        return free

    def become(self, found: list[Address]) -> None:
        """These are its addresses now; what is known of those that stay is kept."""
        known = {place.address: place for place in self.places}
        self.places = [known.get(address) or Place(address) for address in found]

    async def resolve(self) -> None:
        """Ask for its addresses. A name that is not known (any more) has none; a failure to ask changes nothing."""
        host, port = address_of(self.name)
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            return
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                return
            found = []
        addresses = sorted({(str(one[4][0]), int(one[4][1])) for one in found})
        if addresses != [place.address for place in self.places]:
            log.info("target %s: %d addresses", self.name, len(addresses))
        self.become(addresses)
