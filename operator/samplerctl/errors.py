"""Bad input, told in one line: which field, and what to do about it."""

from __future__ import annotations


class InputError(ValueError):
    """What the person gave cannot be used; the text names the field and the remedy."""
