"""A bad answer beside a good one: found among the load generator's own, then asked again of the release that serves."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import httpx

from local.demo.answers import Answer
from local.demo.ask import Ask
from local.demo.prompts import foreign_letters, scripts
from local.demo.recording import Pair

AskAgain = Callable[[Ask], Answer]
# So many answers are asked again at most, when only a comparison can tell a bad one.
_MOST_TRIES = 24


def find(check: str, bad_ones: Iterable[Answer], ask_again: AskAgain, serving: str) -> Pair | None:
    """A pair that shows what the check saw; None when no kept answer shows it."""
    if check == "unexpected-script":
        return _by_script(bad_ones, ask_again, serving)
    return _by_comparison(bad_ones, ask_again, serving)


def _by_script(answers: Iterable[Answer], ask_again: AskAgain, serving: str) -> Pair | None:
    odd = [(len(foreign_letters(a.text, a.ask.prompt)), a) for a in answers]
    # Few foreign letters among readable words show best what happened.
    for count, bad in sorted((pair for pair in odd if pair[0]), key=lambda pair: abs(pair[0] - 3)):
        good = _again(bad.ask, ask_again)
        if good is not None and not foreign_letters(good.text, good.ask.prompt):
            letters = f"{count} {'letter' if count == 1 else 'letters'} ({scripts(bad.text, bad.ask.prompt)})"
            remark = f"{letters} of a script that is neither in the question nor Latin. Same question, same seed."
            return _pair(bad, good, serving, remark)
    return None


def _by_comparison(answers: Iterable[Answer], ask_again: AskAgain, serving: str) -> Pair | None:
    mixed = list(answers)
    # From all of its time: what it gets wrong may depend on how busy it was.
    random.Random(0).shuffle(mixed)
    # Top-k is what the build gets wrong: an answer drawn without it may be right.
    limited = sorted(mixed, key=lambda a: a.ask.top_k is None)
    for bad in limited[:_MOST_TRIES]:
        good = _again(bad.ask, ask_again)
        if good is None or good.text == bad.text:
            continue
        twice = _again(bad.ask, ask_again)
        if twice is not None and twice.text == good.text:
            remark = (
                "Both read well, and that is the point. Question, settings and seed are the same, so a right sampler "
                "gives the same answer again (the good one was asked for twice); this build drew other tokens."
            )
            return _pair(bad, good, serving, remark)
    return None


def _again(ask: Ask, ask_again: AskAgain) -> Answer | None:
    try:
        return ask_again(ask)
    except (httpx.HTTPError, KeyError, ValueError):
        return None


def _pair(bad: Answer, good: Answer, serving: str, remark: str) -> Pair:
    return Pair(
        prompt=bad.ask.prompt,
        drawn=bad.ask.described(),
        bad=bad.text,
        good=good.text,
        good_release=serving,
        remark=remark,
    )
