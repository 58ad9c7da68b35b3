"""A property that fails says by what, however large its arguments are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

LARGE = "x" * 40_000
"""So long that Hypothesis warns when it writes a failing example down."""


def test_a_failure_is_shown_for_what_it_is() -> None:
    @given(st.just(LARGE))
    @settings(max_examples=1, database=None)
    def fails(_: str) -> None:
        pytest.fail("as it is")

    with pytest.raises(pytest.fail.Exception, match="as it is"):
        fails()


def test_a_failure_after_more_was_drawn_is_shown_for_what_it_is() -> None:
    @given(st.just(LARGE), st.data())
    @settings(max_examples=1, database=None)
    def fails(_: str, data: st.DataObject) -> None:
        data.draw(st.integers())
        pytest.fail("as it is")

    with pytest.raises(pytest.fail.Exception, match="as it is"):
        fails()
