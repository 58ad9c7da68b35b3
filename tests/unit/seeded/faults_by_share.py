"""Every seeded fault as a parameter: those of the incidents always, their cousins with the share of slow tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

ALWAYS = frozenset({"production", "rare-token-boost", "approximate-top-k", "excess-precision"})


def shared(names: Iterable[str]) -> list[Any]:
    """Parameters for ``pytest.mark.parametrize``; ``production`` is no fault, and nothing may see one in it."""
    return [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in names]
