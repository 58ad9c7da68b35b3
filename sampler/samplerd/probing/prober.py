"""The prober: sends at a set rate until it is told to stop, whatever the servers do."""

import asyncio
import logging
import random

from samplerd.probing.asks import Asks
from samplerd.probing.exams import Examiner
from samplerd.probing.http import Answer, ExchangeError, post
from samplerd.probing.settings import ProbeSettings, owner_of
from samplerd.probing.tally import Tally
from samplerd.probing.targets import Place, Target
from samplerd.probing.verdicts import Verdicts

log = logging.getLogger(__name__)

TURNED_AWAY = frozenset({"429", "503", "timeout", "unreachable", "broken"})
"""Outcomes after which an address is left alone for a while."""
_SAY_EVERY = 60.0


class Prober:
    """Every target has the same share of the rate, and so has every address of it.

    A share that cannot be sent (no address, all resting, too many under way) goes to nobody else: what a pool gets
    does not depend on how others fare.
    """

    def __init__(self, settings: ProbeSettings) -> None:
        self.tally = Tally(settings.target)
        self._settings = settings
        self._targets = [Target(name) for name in settings.target]
        self._asks = Asks(settings.max_tokens, random.Random())
        self.verdicts = Verdicts(filter(None, map(owner_of, settings.target)), self.tally.registry)
        self._examiner = (
            Examiner(settings.target, self.verdicts, max_tokens=settings.max_tokens, logprobs=settings.logprobs)
            if settings.judge
            else None
        )
        self._under_way: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Send no more; a second call cuts off what is under way."""
        if self._stop.is_set():
            self._cut_off()
        self._stop.set()

    async def run(self) -> None:
        """Until ``stop``, or until its time is over; then until what is under way has ended."""
        await self._resolve_all()
        helpers = [asyncio.create_task(self._keep_resolving()), asyncio.create_task(self._keep_saying())]
        sending = asyncio.create_task(self._send_until_stopped())
        try:
            async with asyncio.timeout(self._settings.duration or None):
                await sending
        except TimeoutError:
            self._stop.set()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        await self._drain()

    async def _send_until_stopped(self) -> None:
        """One probe at each tick. Ticks that were missed are not made up for: that would be a burst."""
        clock = asyncio.get_running_loop().time
        pause = 1.0 / self._settings.rate
        due, number = clock(), 0
        while not self._stop.is_set():
            self._send(self._targets[number % len(self._targets)])
            number += 1
            due = max(due + pause, clock())
            try:
                async with asyncio.timeout_at(due):
                    await self._stop.wait()
            except TimeoutError:
                continue

    def _send(self, target: Target) -> None:
        place = target.pick(asyncio.get_running_loop().time(), self._settings.per_address)
        if isinstance(place, str):
            self.tally.skip(target.name, place)
            return
        place.under_way += 1
        task = asyncio.create_task(self._probe(target.name, place))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _probe(self, target: str, place: Place) -> None:
        clock = asyncio.get_running_loop().time
        paper = self._examiner.next(target) if self._examiner else None
        began, outcome, answer = clock(), "cut-off", Answer(0)
        try:
            outcome, answer = await self._outcome(place, paper.body if paper else self._asks.next())
        finally:
            place.under_way -= 1
            self.tally.ended(target, outcome, clock() - began)
        if self._examiner and paper:
            self._examiner.ended(target, paper, outcome, answer.body)
        if outcome in TURNED_AWAY:
            place.turned_away(clock(), answer.retry_after)
        else:
            place.answered()

    async def _outcome(self, place: Place, body: bytes) -> tuple[str, Answer]:
        host, port = place.address
        try:
            async with asyncio.timeout(self._settings.timeout):
                answer = await post(host, port, body, connect_timeout=self._settings.connect_timeout)
        except TimeoutError:
            return "timeout", Answer(0)
        except ExchangeError as error:
            return str(error), Answer(0)
        return str(answer.status), answer

    async def _resolve_all(self) -> None:
        await asyncio.gather(*(target.resolve() for target in self._targets))
        for target in self._targets:
            self.tally.has(target.name, len(target.places))

    async def _keep_resolving(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resolve_every)
            await self._resolve_all()

    async def _keep_saying(self) -> None:
        while True:
            await asyncio.sleep(_SAY_EVERY)
            log.info("%s", self.tally.sentence)

    async def _drain(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._settings.drain_timeout)
        self._cut_off()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _cut_off(self) -> None:
        for task in self._under_way:
            task.cancel()
