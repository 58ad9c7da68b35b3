"""What cannot be used or done, told in one line: which field, or what the cluster said, and what to do about it."""

from __future__ import annotations


class InputError(ValueError):
    """What the person gave cannot be used; the text names the field and the remedy."""


class AwayError(InputError):
    """The cluster gives no answer now. It may come back."""


class ChangedError(InputError):
    """Somebody has changed the object since it was read."""


class LostError(InputError):
    """What was asked for cannot be had, and asking again changes nothing."""


class GoneError(LostError):
    """There is no such object."""
