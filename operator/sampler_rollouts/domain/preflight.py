"""What a server says of its preflight, judged before anything is believed; and what of it is remembered.

A server is a stranger here: its answer is data of a closed form or it is refused, and no text of its own is passed on
but names of cases.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from quality_contract.preflight import FAILED, FORMAT, PASSED, TOLERANCE_NATS

from sampler_rollouts.domain import limits
from sampler_rollouts.domain.loose import Label, Loose, Sentence
from sampler_rollouts.domain.release import digest

LONGEST_CASE: Final = 120
_MOST_CASES: Final = 20_000
_NUMBER: Final = 2**53
_LONGEST_WORD: Final = 100
_MOST_PROMPTS: Final = 1000
_FLOAT: Final = np.dtype("<f4")
"""Its error is far below the tolerance of any precision."""
_PACKED: Final = (limits.PROMPT_TOKENS * _FLOAT.itemsize + 2) // 3 * 4


class ReportRefusedError(ValueError):
    """The answer is no preflight report that can be believed; the text is the operator's own."""


Said = Annotated[str, Field(max_length=_LONGEST_WORD)]


def _packed(nats: list[float]) -> str:
    return base64.b64encode(np.asarray(nats, _FLOAT).tobytes()).decode()


class ScoredPrompt(Loose):
    """The log-probabilities of one fixed prompt, teacher-forced."""

    prompt: Annotated[int, Field(ge=0, le=_MOST_PROMPTS)]
    tokens: Annotated[str, Field(max_length=16)]
    """A digest of its tokens: what is not read as the same tokens cannot be compared."""
    nats: Annotated[str, Field(max_length=_PACKED)] = ""
    """Log-probability of each token after the first: float32, little-endian, in base64."""

    former: ClassVar = {
        "logprobs": {
            "type": "array",
            "maxItems": limits.PROMPT_TOKENS,
            "description": "As earlier versions stored them: read, never written.",
            "items": {"type": "string", "maxLength": 32},
        }
    }

    @model_validator(mode="before")
    @classmethod
    def _read_former(cls, data: Any) -> Any:
        """Take over what an earlier version has stored."""
        if not isinstance(data, Mapping) or not isinstance(data.get("logprobs"), list) or data.get("nats"):
            return data
        return {**data, "nats": _packed([_number(one) for one in data["logprobs"]])}

    @property
    def logprobs(self) -> list[float]:
        """Of each token after the first, in nats; what a stranger has edited is no number, and agrees with nothing."""
        try:
            found = np.frombuffer(base64.b64decode(self.nats, validate=True), _FLOAT)
        except ValueError:
            return [math.nan]
        return [float(one) for one in found] or [math.nan]


class PreflightResult(Loose):
    """What the preflight of one pool's revision found."""

    pool: Label
    revision: Label
    pod: Label = ""
    at: AwareDatetime
    verdict: Literal["Passed", "Failed"]
    sentence: Sentence = ""
    """How many cases ran, or the worst failure."""
    model: Said = ""
    platform: Said = ""
    precision: Said = ""
    digest: Annotated[str, Field(max_length=80)] = ""
    """Of the fixed token suite."""
    prompts: Annotated[list[ScoredPrompt], Field(max_length=limits.PROMPTS)] = Field(default_factory=list)


class _Said(BaseModel):
    """Base of what is read: strict in type, open to members that this version does not know."""

    model_config = ConfigDict(extra="ignore", strict=True)


_Whole = Annotated[int, Field(ge=0, le=_NUMBER)]
_Word = Annotated[str, Field(min_length=1, max_length=_LONGEST_WORD, pattern=r"^[ -~]+\z")]


class _Subject(_Said):
    revision: _Word
    model: _Word
    platform: _Word
    precision: _Word


class _Outcome(_Said):
    rows: _Whole
    wrong: _Whole


class _Smallest(_Said):
    batch: _Whole
    vocabulary: _Whole
    top_k: _Whole | None


class _Failure(_Said):
    case: Annotated[str, Field(max_length=1000)]
    kind: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+){0,5}\z", max_length=40)]
    wrong: _Whole
    rows: _Whole
    smallest: _Smallest | None = None


class _Scored(_Said):
    prompt: Annotated[int, Field(ge=0, le=_MOST_PROMPTS)]
    tokens: Annotated[list[_Whole], Field(max_length=limits.PROMPT_TOKENS + 1)]
    logprobs: Annotated[list[float | Literal["nan", "inf", "-inf"]], Field(max_length=limits.PROMPT_TOKENS)]


class _Report(_Said):
    verdict: Literal["passed", "failed"]
    subject: _Subject
    outcomes: Annotated[list[_Outcome], Field(max_length=_MOST_CASES)]
    failures: Annotated[list[_Failure], Field(max_length=_MOST_CASES)]
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}\z")] | None
    prompts: Annotated[list[_Scored], Field(max_length=limits.PROMPTS)]


def read_report(body: bytes, pool: str, revision: str, pod: str, now: datetime) -> PreflightResult:
    """The result of the pod that was asked. Raises ReportRefusedError: then there is no result, neither way."""
    report = _parsed(body)
    if report.subject.revision != revision:
        raise ReportRefusedError("its report is of another revision")
    if report.subject.precision not in TOLERANCE_NATS:
        raise ReportRefusedError("its report is of a precision without a declared tolerance")
    _check_consistent(report)
    return PreflightResult(
        pool=pool,
        revision=revision,
        pod=pod[: limits.LABEL],
        at=now,
        verdict="Passed" if report.verdict == PASSED else "Failed",
        sentence=limits.clip(_sentence(report), limits.SENTENCE),
        model=report.subject.model,
        platform=report.subject.platform,
        precision=report.subject.precision,
        digest=report.digest or "",
        prompts=[_remembered(one) for one in report.prompts],
    )


def _parsed(body: bytes) -> _Report:
    try:
        said: Any = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ReportRefusedError("its answer is not JSON") from None
    if not isinstance(said, dict) or said.get("format") != FORMAT or isinstance(said.get("format"), bool):
        raise ReportRefusedError(f"its answer is no preflight report of format {FORMAT}")
    try:
        return _Report.model_validate(said)
    except ValidationError as error:
        # Names of members alone: what stands in them is the pod's.
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"][:1])
        raise ReportRefusedError(f"its report is malformed: {where}") from None


def _no_number(_: str) -> float:
    raise ValueError("not a number of JSON")


def _check_consistent(report: _Report) -> None:
    """``passed`` is affirmative (R12): all that ran was right, and something ran; ``failed`` names what was wrong."""
    wrong = bool(report.failures) or any(one.wrong for one in report.outcomes)
    if (report.verdict == FAILED) != bool(report.failures):
        raise ReportRefusedError("its verdict is not what its failures say")
    if report.verdict == FAILED:
        return
    if wrong or not sum(one.rows for one in report.outcomes):
        raise ReportRefusedError("it says passed, but something was wrong or nothing was compared")
    if report.digest is None or not report.prompts:
        raise ReportRefusedError("it says passed, but has no digest of the token suite or no prompts")
    if not all(_is_scored(one) for one in report.prompts):
        raise ReportRefusedError("it says passed, but has no proper log-probability for each token of its prompts")
    if not limits.unique(one.prompt for one in report.prompts):
        raise ReportRefusedError("its report has a prompt twice")


def _is_scored(one: _Scored) -> bool:
    complete = 0 < len(one.logprobs) == len(one.tokens) - 1
    # What rounds to 1e-6 above 0 is rounding.
    return complete and all(isinstance(each, float) and math.isfinite(each) and each < 1e-3 for each in one.logprobs)


def _sentence(report: _Report) -> str:
    if not report.failures:
        rows = sum(one.rows for one in report.outcomes)
        return f"{len(report.outcomes)} cases, {rows} rows compared, none wrong"
    worst = report.failures[0]
    text = f"{_shown(worst.case)}: {worst.kind} in {worst.wrong} of {worst.rows} rows"
    if (small := worst.smallest) is not None:
        top_k = "" if small.top_k is None else f", top_k {small.top_k}"
        text += f"; smallest failing shape: batch {small.batch}, vocabulary {small.vocabulary}{top_k}"
    more = len(report.failures) - 1
    return text + (f"; and {more} more" if more else "")


def _shown(case: str) -> str:
    """The name of a case: printable ASCII, and no more than a line of it."""
    return limits.clip("".join(letter if " " <= letter <= "~" else "?" for letter in case), LONGEST_CASE)


def _remembered(one: _Scored) -> ScoredPrompt:
    nats = _packed([float(each) for each in one.logprobs])
    return ScoredPrompt(prompt=one.prompt, tokens=digest(one.tokens), nats=nats)


def difference(one: PreflightResult, other: PreflightResult, whose: str, *, logprobs: bool = True) -> str:
    """How two results that passed differ, in words that begin after the first one's name; empty if they agree.

    The digests are equal or the samplers differ, whatever the platforms; log-probabilities agree within the tolerance
    of the coarser precision. ``whose`` is what the other one is called.
    """
    if one.digest != other.digest:
        return (
            f"its token digest {_short(one.digest)} differs from {whose} {_short(other.digest)}: "
            "the samplers draw different tokens from the same logits"
        )
    return _logprobs_differ(one, other, whose) if logprobs and one.model == other.model else ""


def _short(text: str) -> str:
    return text.removeprefix("sha256:")[:12] or "(none)"


def _logprobs_differ(one: PreflightResult, other: PreflightResult, whose: str) -> str:
    tolerance = max(TOLERANCE_NATS.get(each.precision, 0.0) for each in (one, other))
    known = {prompt.prompt: prompt for prompt in other.prompts}
    if known.keys() != {prompt.prompt for prompt in one.prompts}:
        return f"its fixed prompts are not {whose}"
    worst, said = 0.0, ""
    for mine in one.prompts:
        theirs = known[mine.prompt]
        if mine.tokens != theirs.tokens or len(mine.logprobs) != len(theirs.logprobs):
            return f"it reads prompt {mine.prompt} as other tokens than {whose}: another model or tokenizer"
        for place, (first, second) in enumerate(zip(mine.logprobs, theirs.logprobs, strict=True)):
            apart = abs(first - second)
            if not apart <= max(tolerance, worst):  # a NaN does not
                worst = math.inf if math.isnan(apart) else apart
                said = (
                    f"its log-probability of token {place + 1} of prompt {mine.prompt} is {first:.6f}, "
                    f"{whose} {second:.6f}: more than the tolerance of {tolerance:g} nats apart"
                )
    return said


def _number(text: object) -> float:
    """A number of status, which a stranger may have edited."""
    try:
        return float(str(text))
    except ValueError:
        return math.nan
