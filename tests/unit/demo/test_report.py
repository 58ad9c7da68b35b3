"""The report and what stands in it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from samplerctl.drawing.scales import Scale, clock, nice_ticks, percent, time_ticks

from local.demo.recording import Recording
from local.demo.report import charts, panels, render
from tests.unit.demo import made_up


@pytest.fixture
def recording() -> Recording:
    return made_up.recording()


class Balanced(HTMLParser):
    """Checks that what is opened is closed."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(recording):
    page = render(recording)
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not re.search(r"(src|href)=|url\(|@import|<script|<link|https?://", page)


def test_the_page_tells_each_release(recording):
    page = render(recording)
    for release in recording.releases:
        assert f"Release {release.number}: {release.title}" in page
        assert release.sentence in page
    assert "Everything went as told" in page


def test_deviations_stand_on_top(recording):
    recording.deviations = ["release 3: <odd> thing"]
    page = render(recording)
    assert "Not as told" in page
    assert "&lt;odd&gt;" in page
    assert "Everything went as told" not in page


def test_answers_are_shown_as_text_never_as_html(recording):
    recording.releases[2].pair.bad = "<script>alert(1)</script>"
    assert "<script>" not in render(recording)


def test_a_run_that_ended_early_has_a_page_too():
    empty = Recording(started_at=1.0, ended_at=2.0)
    assert "Four releases" in render(empty)
    empty.releases = [made_up.release(1).model_copy(update={"statuses": [], "evidence": [], "outcome": ""})]
    assert "undecided" in render(empty)


def test_every_drawing_is_well_formed(recording):
    drawings = [charts.traffic(recording)]
    for release in recording.releases:
        drawings.append(charts.weights(release))
        for check in charts.checks_of(release):
            drawings += [panels.evidence(release, check), panels.bounds(release, check)]
    assert len(drawings) == 1 + 4 * 7
    for svg in drawings:
        assert ET.fromstring(svg).tag == "svg"
        assert "nan" not in svg
        assert "inf" not in svg


def test_a_failed_check_is_marked_where_it_crossed_its_threshold(recording):
    assert "Failed after" in panels.evidence(recording.releases[2], "unexpected-script")
    assert "Failed after" not in panels.evidence(recording.releases[2], "errors")
    assert "Passed after" in panels.bounds(recording.releases[1], "errors")


@pytest.mark.parametrize(("number", "check"), [(3, "unexpected-script"), (2, "errors")])
def test_a_decision_is_never_drawn_before_the_evidence_it_rests_on(recording, number, check):
    """Status has whole seconds, rounded down: the look that decided may lie up to a second after what it says."""
    release = recording.releases[number - 1]
    verdict, decisive = ("Passed", max) if release.should_stay else ("Failed", min)
    firsts = {(p.pool, p.check): p.at for p in reversed(release.evidence) if p.verdict == verdict}
    at = decisive(firsts.values())
    for told, shown in ((at - 0.9, at), (at - 1.1, at - 1.1), (at + 3, at + 3)):
        release.decided_at = told
        assert release.decision_shown_at == shown
    release.decided_at = at - 0.9
    assert release.seconds_to_decision == at - release.first_candidate_at
    drawn = panels.evidence(release, check) if number == 3 else panels.bounds(release, check)
    (line,) = re.findall(r'<line class="verdict-\w+" x1="([\d.]+)"', drawn)
    dots = [float(x) for x in re.findall(r'<circle class="dot pool-\d" cx="([\d.]+)"', drawn)]
    assert float(line) == min(dots) if number == 3 else float(line) >= max(dots)
    release.decided_at = None
    assert release.decision_shown_at is None


def test_the_pools_answers_to_one_request_stand_beside_each_other(recording):
    page = render(recording)
    assert "narrow (1 device) and wide (vocabulary over 4 devices) draw the same 3 tokens" in page
    assert page.count("<q>Honey, mostly</q>") == 2
    recording.agreement.answers[0].tokens = ["Wax"]
    assert "draw different tokens: “Wax” / “Honey, mostly”" in render(recording)


def test_weights_are_the_candidates_and_then_stables(recording):
    good, bad = recording.releases[1], recording.releases[2]
    assert charts.weight_of(good, good.statuses[-1], "wide") == (100.0, 100.0)
    assert charts.weight_of(bad, bad.statuses[-1], "wide") == (0.0, 0.0)
    assert max(charts.weight_of(bad, s, "wide")[0] for s in bad.statuses) == 50.0


def test_a_recording_survives_the_disk(recording, tmp_path):
    path = tmp_path / "deep" / "recording.json"
    recording.save(path)
    assert Recording.load(path) == recording


def test_scales_clamp_what_lies_outside():
    scale = Scale(0, 10, 100, 200)
    assert [scale(v) for v in (-5, 0, 5, 10, 50, float("inf"), float("-inf"))] == [100, 100, 150, 200, 200, 200, 100]
    log = Scale(0.01, 1, 0, 100, log=True)
    assert log(0.1) == pytest.approx(50)
    assert log(0) == 0


def test_ticks_and_words():
    assert nice_ticks(0, 3.4, 4) == [0, 1, 2, 3]
    assert time_ticks(130) == [0, 30, 60, 90, 120]
    assert (clock(65), clock(0.4), percent(0.03), percent(0.005)) == ("1:05", "0:00", "3 %", "0.5 %")
