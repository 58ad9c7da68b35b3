"""The three forms of a body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sampler_rollouts.domain.limits import TEXT
from sampler_rollouts.domain.notices import shapes
from sampler_rollouts.domain.notices.notice import Letter, NoticeType
from sampler_rollouts.domain.receivers import Format

from tests.unit.operator.notices.receiver import letter


def made(form: Format, given: Letter, key: str = "") -> Any:
    return json.loads(shapes.body(form, given, key))


def test_a_cloud_event_has_all_that_the_specification_asks_for() -> None:
    given = letter(message="Rolled back release abc: 5 of 100 answers bad.")
    assert made(Format.CLOUD_EVENTS, given) == {
        "specversion": "1.0",
        "id": given.notice.id,
        "source": "/clusters/east/namespaces/serving/samplerrollouts/chat",
        "type": "io.samplerrollouts.rollout.rolled-back.v1",
        "subject": "abc",
        "time": "2026-01-02T03:04:05Z",
        "datacontenttype": "application/json",
        "data": {
            "cluster": "east",
            "namespace": "serving",
            "rollout": "chat",
            "uid": "uid-1",
            "type": "RolledBack",
            "reason": "CheckFailed",
            "release": "abc",
            "message": "Rolled back release abc: 5 of 100 answers bad.",
            "at": "2026-01-02T03:04:05Z",
        },
    }


def test_the_same_letter_gives_the_same_bytes() -> None:
    """What is sent again is signed anew, and is otherwise the same."""
    for form in Format:
        assert shapes.body(form, letter(), "key") == shapes.body(form, letter(), "key")


@pytest.mark.parametrize("kind", NoticeType)
def test_each_type_has_a_name_in_each_form(kind: NoticeType) -> None:
    names = {shapes.EVENT_TYPES[one] for one in NoticeType}
    assert len(names) == len(NoticeType)
    assert shapes.EVENT_TYPES[kind] in made(Format.CLOUD_EVENTS, letter(kind))["type"]
    assert f"east: serving/chat {shapes.HEADINGS[kind]}" in made(Format.SLACK, letter(kind))["text"]
    assert made(Format.PAGER_DUTY, letter(kind), "k")["event_action"] in {"trigger", "resolve"}


def test_slack_is_told_in_plain_text_that_calls_nobody() -> None:
    got = made(Format.SLACK, letter(message="<!channel> <https://evil.example|a & b>"))
    header, section, context = got["blocks"]

    assert got["text"] == ("east: serving/chat rolled back: &lt;!channel&gt; &lt;https://evil.example|a &amp; b&gt;")
    assert header == {"type": "header", "text": plain("east: serving/chat rolled back")}
    assert section == {"type": "section", "text": plain("<!channel> <https://evil.example|a & b>")}
    assert context == {
        "type": "context",
        "elements": [plain("release abc · CheckFailed · 2026-01-02T03:04:05Z")],
    }


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def test_slack_takes_the_longest_message_and_names() -> None:
    got = made(Format.SLACK, letter(message="x" * TEXT, namespace="n" * 63, rollout="r" * 63, cluster="c" * 63))
    assert len(got["blocks"][0]["text"]["text"]) <= 150
    assert len(got["blocks"][1]["text"]["text"]) <= 3000


@pytest.mark.parametrize(
    ("kind", "severity"),
    [(NoticeType.ROLLED_BACK, "error"), (NoticeType.HELD, "warning"), (NoticeType.DEGRADED, "critical")],
)
def test_trouble_opens_one_incident_of_the_rollout(kind: NoticeType, severity: str) -> None:
    got = made(Format.PAGER_DUTY, letter(kind), "routing")
    assert (got["routing_key"], got["event_action"], got["dedup_key"]) == ("routing", "trigger", "samplerrollout/uid-1")
    assert got["payload"]["severity"] == severity
    assert got["payload"]["source"] == "/clusters/east/namespaces/serving/samplerrollouts/chat"
    assert got["payload"]["timestamp"] == "2026-01-02T03:04:05Z"
    assert got["payload"]["custom_details"]["release"] == "abc"
    assert len(made(Format.PAGER_DUTY, letter(kind, message="x" * TEXT), "k")["payload"]["summary"]) <= 1024


@pytest.mark.parametrize("kind", [NoticeType.PROMOTED, NoticeType.RECOVERED])
def test_what_ends_the_trouble_resolves_it(kind: NoticeType) -> None:
    assert made(Format.PAGER_DUTY, letter(kind), "routing") == {
        "routing_key": "routing",
        "event_action": "resolve",
        "dedup_key": "samplerrollout/uid-1",
    }


def test_without_a_name_of_the_cluster_none_is_said() -> None:
    got = letter(cluster="")
    assert made(Format.CLOUD_EVENTS, got)["source"] == "/namespaces/serving/samplerrollouts/chat"
    assert made(Format.SLACK, got)["text"].startswith("serving/chat rolled back: ")
