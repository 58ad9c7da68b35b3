"""Bytes to text as it comes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samplerd.text_stream import TextStream


def run(parts: list[bytes], stop: list[str]) -> tuple[list[str], TextStream]:
    stream = TextStream(stop)
    return [*(stream.push(part) for part in parts), stream.finish()], stream


def test_a_character_split_over_tokens_comes_whole() -> None:
    pieces, _ = run([b"\xe0\xb8", b"\x81", "né".encode()[:2], b"\xa9"], [])
    assert pieces == ["", "ก", "n", "é", ""]


def test_a_character_that_never_completes_becomes_a_replacement() -> None:
    assert run([b"a\xe0\xb8", b"b"], [])[0] == ["a", "\ufffdb", ""]
    assert run([b"a\xe0\xb8"], [])[0] == ["a", "\ufffd"]


def test_a_stop_string_over_several_tokens() -> None:
    pieces, stream = run([b"one E", b"N", b"D two"], ["END"])
    assert "".join(pieces) == "one "
    assert stream.stopped


def test_what_only_looked_like_a_stop_string_is_given_later() -> None:
    pieces, stream = run([b"one E", b"N", b"TER"], ["END"])
    assert pieces == ["one ", "", "ENTER", ""]
    assert not stream.stopped


def test_the_end_gives_what_was_held_back() -> None:
    assert run([b"one EN"], ["END"])[0] == ["one ", "EN"]


def test_the_earliest_of_several_stops_wins() -> None:
    assert "".join(run([b"abcdef"], ["ef", "cd"])[0]) == "ab"


@pytest.mark.parametrize("stop", [["\n\n"], ["aa"], ["ab", "aab"], ["日本"]])
def test_nothing_is_shown_after_a_stop(stop: list[str]) -> None:
    stream = TextStream(stop)
    stream.push(f"x{stop[0]}y".encode())
    assert stream.push(b"z") == ""
    assert stream.finish() == ""


@given(
    text=st.text(alphabet="ab\ncé日🙂", max_size=40),
    stop=st.lists(st.text("ab\nc日", min_size=1, max_size=3), max_size=3),
    cuts=st.data(),
)
def test_any_split_gives_the_text_up_to_the_first_stop(text: str, stop: list[str], cuts: st.DataObject) -> None:
    data = text.encode()
    places = sorted(cuts.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    bounds = [0, *places, len(data)]
    parts = [data[start:end] for start, end in pairwise(bounds)]
    shown = "".join(run(parts, stop)[0])
    first = min((text.find(s) for s in stop if s in text), default=len(text))
    # A longer stop may begin earlier but end later; whichever is complete first in the stream wins.
    assert text.startswith(shown)
    assert not any(s in shown for s in stop)
    if len(stop) < 2:
        assert shown == text[:first]
