"""What a condition is to say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One condition's new content. ``status`` is True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str = ""
