"""docs/rollout.md, the code and the stories agree on what can happen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sampler_rollouts.domain.decision import transitions
from sampler_rollouts.domain.status import Stage

from tests.unit.operator.domain import (
    test_acts,
    test_bake,
    test_beside,
    test_first_release,
    test_lost_status,
    test_one_pool,
    test_outages,
    test_pause_and_hold,
    test_pods,
    test_preflight,
    test_promotion,
    test_refused_deletions,
    test_rollback,
    test_stable_away,
    test_which_release,
)

DOCS = Path(__file__).parents[4] / "docs" / "rollout.md"
ROW = re.compile(r"^\| (\w+) \| ([^|]+?) \| (\w+) \|$", re.MULTILINE)

COVERING = [
    test_promotion.test_a_good_release_is_promoted,
    test_first_release.test_a_first_release_can_be_replaced_and_what_serves_of_it_stays_meanwhile,
    test_rollback.test_a_failed_release_is_held,
    test_pods.test_a_container_that_exits_three_times_fails_the_release,
    test_promotion.test_the_deadline_rolls_back_where_the_author_chose_that,
    test_refused_deletions.test_another_release_is_heard_beside_pods_that_do_not_go,
    test_refused_deletions.test_another_release_is_heard_beside_withdrawn_pods_that_do_not_go,
    test_stable_away.test_a_fix_in_the_spec_is_heard_and_nobody_is_left_without_a_server,
    test_stable_away.test_a_withdrawal_has_the_same_way_out,
    test_which_release.test_a_third_release_replaces_the_candidate,
    test_promotion.test_what_holds_goes_on_when_a_person_says_so_but_still_needs_passed,
    test_outages.test_a_metrics_outage_beyond_the_deadline_holds,
    test_pods.test_pods_that_cannot_start_hold_the_release_and_it_goes_on_by_itself,
    test_preflight.test_a_failed_preflight_takes_the_release_back_and_names_pool_and_reason,
    test_preflight.test_a_result_that_fails_while_holding_rolls_back,
    lambda: test_preflight.test_no_result_in_time_holds_and_goes_on_when_it_comes(test_preflight.OFF),
    test_pause_and_hold.test_crashes_while_holding_roll_back,
    test_bake.TestAlarm().test_the_release_that_was_replaced_comes_back_and_the_other_is_held,
    test_pause_and_hold.test_a_retry_while_holding_starts_again_from_the_first_wave,
    test_pause_and_hold.test_another_release_while_holding,
    test_which_release.test_the_release_just_replaced_comes_back_without_steps_during_the_bake,
    test_which_release.test_a_restored_release_whose_pods_fail_is_rolled_back,
    test_acts.test_an_abort_takes_the_candidate_back_and_holds_it,
    test_acts.test_what_holds_can_be_aborted,
    test_one_pool.test_the_pool_that_fails_goes_back_and_the_other_goes_on,
    test_one_pool.test_what_holds_goes_on_without_the_pool,
    test_acts.test_a_restored_release_can_be_aborted,
    test_acts.test_what_serves_is_taken_back_in_its_bake,
    test_beside.test_what_fails_in_its_bake_is_taken_back_and_the_candidate_comes_again_as_a_canary,
    test_beside.test_a_candidate_that_holds_leaves_too,
    test_lost_status.test_what_serves_becomes_stable_and_the_spec_comes_with_steps,
    test_which_release.test_a_restored_release_that_is_no_longer_asked_for_is_withdrawn,
]


class Recorder(dict):  # type: ignore[type-arg]
    """The table, noting which rows are used."""

    def __init__(self) -> None:
        super().__init__(transitions.TABLE)
        self.used: set[object] = set()

    def __getitem__(self, key: object) -> object:
        self.used.add(key)
        return super().__getitem__(key)


def documented() -> set[tuple[str, str, str]]:
    section = DOCS.read_text().split("## Transitions")[1].split("\n## ")[0]
    return {(row[0], row[1], row[2]) for row in ROW.findall(section) if row[0] != "from"}


def test_the_documented_table_is_the_codes() -> None:
    code = {(before.value, trigger.value, after.value) for (before, trigger), after in transitions.TABLE.items()}
    assert documented() == code


def test_every_stage_is_documented() -> None:
    text = DOCS.read_text().split("## Stages")[1].split("\n## ")[0]
    assert {stage.value for stage in Stage} == set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))


def test_every_stage_can_be_left() -> None:
    assert {before for before, _ in transitions.TABLE} == set(Stage)


@pytest.mark.long
def test_every_row_happens_in_some_story(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    monkeypatch.setattr(transitions, "TABLE", recorder)
    for story in COVERING:
        story()
    assert set(recorder) - recorder.used == set()


def test_every_reason_and_event_is_documented() -> None:
    """What people may read in conditions and Events is explained in one place."""
    package = Path(transitions.__file__).parent
    source = "\n".join(path.read_text() for path in package.glob("*.py"))
    events = set(re.findall(r'turn\.note\(\s*"(\w+)"', source)) | {"Promoted", "Established", "Restored"}
    reasons = set(re.findall(r'Word\((?:STALLED|RECONCILING), "True", "(\w+)"', source))
    text = DOCS.read_text()
    assert {word for word in events | reasons if f"`{word}`" not in text} == set()
