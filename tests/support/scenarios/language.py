"""Given, when, then: the words in which scenarios are told."""

from __future__ import annotations

from tests.support.scenarios.story import Given
from tests.support.scenarios.then import Then
from tests.support.scenarios.when import When

__all__ = ["Given", "Then", "When"]
