"""The bounded memory of sessions and the bounded label of routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samplerd.routes import Route, RouteLabels, parse_route
from samplerd.sessions import SessionTable


def test_a_pair_is_first_once() -> None:
    table = SessionTable(10)
    assert [table.is_first("a", 1), table.is_first("a", 1), table.is_first("a", 2), table.is_first("b", 1)] == [
        True,
        False,
        True,
        True,
    ]


def test_the_oldest_goes_first_and_is_counted() -> None:
    table = SessionTable(2)
    for session in "abc":
        table.is_first(session, 1)
    assert table.evictions == 1
    assert not table.is_first("c", 1)
    assert table.is_first("a", 1)


def test_a_session_and_its_epoch_are_not_confused_with_another_pair() -> None:
    table = SessionTable(10)
    table.is_first("1;x", 2)
    assert table.is_first("x", 2)
    assert table.is_first("\udc80", 1)  # a header may hold any byte


@pytest.mark.parametrize(
    "header", [None, "", "abc", "abcd;", ";1", "abcd;-1", "ABCD;1", "abc;1", "abcd;1;2", "abcd; 1", "abcd;１"]
)
def test_a_malformed_route_is_none(header: str | None) -> None:
    assert parse_route(header) == Route("none", None)


def test_a_route() -> None:
    assert parse_route("0123abcd;42") == Route("0123abcd", 42)
    assert parse_route("0123abcd") == Route("0123abcd", None), "without an epoch sessions do not stick"


@given(st.lists(st.text("0123456789abcdef", min_size=4, max_size=5)))
def test_labels_are_at_most_four_hashes(hashes: list[str]) -> None:
    labels = RouteLabels()
    given_out = {labels.label(Route(one, 1)) for one in hashes}
    assert len(given_out - {"other"}) <= 4
    assert labels.label(Route()) == "none"
