"""What people say by annotation, and what became of it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime

from sampler_rollouts.domain.loose import Loose, Name, Text


class Acts(StrEnum):
    """What a person may say by annotation."""

    PROMOTE = "promote"
    ABORT = "abort"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    ROLLBACK = "rollback"
    CLEAR_SUSPECT = "clear-suspect"


class Act(Loose):
    """The last word of one kind, and what became of it."""

    act: Acts
    value: Name
    """The annotation's value: one that stands here is answered, and counts no more."""
    release: Name
    said: Name = ""
    """Who and why: self-reported, nobody has checked it."""
    at: AwareDatetime
    done: bool = False
    """False if it was refused."""
    message: Text = ""
