"""Probes whose answers are judged: what is asked of whom, and what each answer counts for.

Half of what a target gets is drawn at random, with log-probabilities, half is asked at temperature 0. These prompts are
the same few for all. Of each pool the target that was named last is the *reference* (stable, beside a candidate): what
it answered first is what everybody is to answer, itself included, so that a server which never gives the same answer
twice shows as such in both arms.
"""

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import quality_contract as names

from samplerd.probing.asks import Asks
from samplerd.probing.judging import TOP, Detector, Draw, has_broken_code
from samplerd.probing.settings import Owner, owner_of
from samplerd.probing.verdicts import Verdicts
from samplerd.scripts import has_unexpected_script

GREEDY_PROMPTS: Final = 8
TEMPERATURES: Final = (1.0, 0.6)
_LISTED: Final = {"logprobs": True, "top_logprobs": TOP}
_FAILED: Final = frozenset({"timeout", "broken"})


class UnreadableError(Exception):
    """A 200 that is no chat completion."""


@dataclass(frozen=True)
class Paper:
    """One probe: its body, and what judging it needs."""

    body: bytes
    prompt: str
    temperature: float


@dataclass(frozen=True)
class Reply:
    """What an answer holds."""

    text: str
    tokens: tuple[str, ...]
    draws: tuple[Draw, ...]


class Examiner:
    """Hands out the papers and counts the marks."""

    def __init__(
        self,
        targets: tuple[str, ...],
        verdicts: Verdicts,
        *,
        max_tokens: int,
        logprobs: Literal["raw", "processed"] = "raw",
        rng: random.Random | None = None,
    ) -> None:
        self._owners = {target: owner for target in targets if (owner := owner_of(target))}
        self._reference = {owner.pool: owner for owner in self._owners.values()}
        self._detectors = {owner: Detector() for owner in self._owners.values()}
        self._verdicts = verdicts
        self._max_tokens = max_tokens
        self._raw = logprobs == "raw"
        self._asks = Asks(max_tokens, rng or random.Random())
        stock = Asks(max_tokens, random.Random(0))
        self._greedy = [stock.prompt() for _ in range(GREEDY_PROMPTS)]
        self._turns: Counter[str] = Counter()
        self._expected: dict[tuple[str, str], tuple[str, ...]] = {}

    def next(self, target: str) -> Paper:
        """What the target is asked next."""
        turn = self._turns[target]
        self._turns[target] += 1
        number, drawn = divmod(turn, 2)
        if drawn:
            return self._paper(self._asks.prompt(), TEMPERATURES[number % len(TEMPERATURES)])
        return self._paper(self._greedy[number % GREEDY_PROMPTS], 0.0)

    def _paper(self, prompt: str, temperature: float) -> Paper:
        asked = {"max_tokens": self._max_tokens, "temperature": temperature, **_LISTED}
        body = json.dumps({"messages": [{"role": "user", "content": prompt}], **asked}).encode()
        return Paper(body, prompt, temperature)

    def ended(self, target: str, paper: Paper, outcome: str, body: bytes) -> None:
        """Count one probe's end. What a server refuses (429, 503, any 4xx), or never got, says nothing of the build."""
        owner = self._owners[target]
        if outcome in _FAILED or (outcome.startswith("5") and outcome != "503"):
            self._verdicts.count(owner, names.CHECK_PROBE_ERRORS, bad=True)
        if outcome != "200":
            return
        try:
            reply = read_reply(body)
        except UnreadableError:
            self._verdicts.count(owner, names.CHECK_PROBE_ERRORS, bad=True)
            return
        self._verdicts.count(owner, names.CHECK_PROBE_ERRORS, bad=False)
        for check, bad in self._marks(owner, paper, reply):
            if bad is not None:
                self._verdicts.count(owner, check, bad=bad)

    def _marks(self, owner: Owner, paper: Paper, reply: Reply) -> list[tuple[str, bool | None]]:
        marks: list[tuple[str, bool | None]] = [
            (names.CHECK_PROBE_SCRIPT, has_unexpected_script(paper.prompt, reply.text)),
            (names.CHECK_PROBE_CODE, has_broken_code(reply.text)),
        ]
        if paper.temperature:
            scale = 1.0 / paper.temperature if self._raw else 1.0
            return [*marks, (names.CHECK_PROBE_CALIBRATION, self._detectors[owner].is_unlikely(reply.draws, scale))]
        return [*marks, (names.CHECK_PROBE_EQUALITY, self._differs(owner, paper.prompt, reply))]

    def _differs(self, owner: Owner, prompt: str, reply: Reply) -> bool | None:
        """Whether it is another answer than the reference's; None for the reference's first, and until there is one."""
        said, place = reply.tokens or (reply.text,), (owner.pool, prompt)
        if place in self._expected:
            return said != self._expected[place]
        if owner == self._reference[owner.pool]:
            self._expected[place] = said
        return None


def read_reply(body: bytes) -> Reply:
    """What a chat completion holds; log-probabilities need not be there. Raises UnreadableError."""
    try:
        choice = json.loads(body)["choices"][0]
        text = choice["message"]["content"]
        content = (choice.get("logprobs") or {}).get("content") or []
        tokens = tuple(str(one["token"]) for one in content)
        draws = tuple(_draw(one) for one in content)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise UnreadableError from None
    if not isinstance(text, str):
        raise UnreadableError
    return Reply(text, tokens, draws)


def _draw(entry: Mapping[str, Any]) -> Draw:
    listed = tuple(float(one["logprob"]) for one in entry.get("top_logprobs") or ())
    return Draw(float(entry["logprob"]), listed)
