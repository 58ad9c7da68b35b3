"""How the report, the final table and the checks put things: one wording for all of them."""

from __future__ import annotations

from local.demo.recording import ReleaseRecord


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
