"""How the report, the final table and the checks put things: one wording for all of them."""

from __future__ import annotations

from quality_contract import CHECK_REPLAY_AUDIT

from local.demo.recording import Agreement, PoolAnswer, ReleaseRecord


def seconds(value: float | None) -> str:
    """A duration: ``43 s``, ``2 min 5 s``."""
    if value is None:
        return "-"
    whole = round(value)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60} s"


def share(value: float) -> str:
    """A share: ``12.5 %``."""
    return f"{value * 100:.1f} %" if 0 < value < 0.995 else f"{value * 100:.0f} %"


def weight(release: ReleaseRecord) -> str:
    """The highest weight that the release ever had."""
    return f"{release.highest_wanted:g} %"


def fate(release: ReleaseRecord) -> str:
    """What became of it, in two or three words."""
    return {"promoted": "promoted", "rolled back": "rolled back", "established": "established"}.get(
        release.outcome, release.outcome or "undecided"
    )


def unit(check: str) -> str:
    """What a check counts."""
    return "tokens" if check == CHECK_REPLAY_AUDIT else "requests"


def layout(answer: PoolAnswer) -> str:
    """A pool and what its servers run on: ``wide (vocabulary over 4 devices)``."""
    return f"{answer.pool} ({f'vocabulary over {answer.devices} devices' if answer.devices > 1 else '1 device'})"


def agreement(found: Agreement) -> str:
    """Whether the pools drew the same tokens, in one sentence."""
    pools = " and ".join(layout(answer) for answer in found.answers)
    first = found.answers[0]
    if found.same:
        said = f"the same {len(first.tokens)} tokens: “{first.text.strip()}”"
    else:
        said = "different tokens: " + " / ".join(f"“{answer.text.strip()}”" for answer in found.answers)
    return f"One request to each pool, “{found.prompt}” ({found.drawn}). {pools} draw {said}"
