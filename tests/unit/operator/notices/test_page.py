"""docs/howto/notifications.md: its receiver is run, and takes what the sender sends and nothing else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sampler_rollouts.domain.notices import shapes, signing
from sampler_rollouts.domain.notices.notice import NoticeType
from sampler_rollouts.domain.receivers import Format
from sampler_rollouts.notify.post import NotTakenError
from sampler_rollouts.notify.sender import Sender

from tests.support.pages import DOCS
from tests.unit.operator.notices.receiver import KEY, letter, receiver, receiving

PAGE = (DOCS / "howto" / "notifications.md").read_text()
EXAMPLES = sorted((DOCS.parent / "examples" / "notifications").glob("*.yaml"))
BLOCK = re.compile(r"(?ms)^```(\w+)\n(.*?)^```$")


def block(language: str) -> str:
    found: list[str] = [text for name, text in BLOCK.findall(PAGE) if name == language]
    return found[0]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("KEY", KEY)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(block("python"), "docs/howto/notifications.md", "exec"), names)
    handled: list[Any] = []
    names["handle"], names["handled"] = handled.append, handled
    names["Receiver"].log_message = lambda *_: None
    return names


def test_it_takes_what_is_sent_and_handles_it_once(program: dict[str, Any], tmp_path: Path) -> None:
    with receiving(handler=program["Receiver"]) as server:
        sender = Sender({"ops": receiver(server.url, tmp_path)})
        sender.send("ops", letter())
        sender.send("ops", letter())
        sender.send("ops", letter(NoticeType.PROMOTED))
    assert [event["data"]["type"] for event in program["handled"]] == ["RolledBack", "Promoted"]


@pytest.mark.parametrize("shift", [-360, 360])
def test_it_refuses_what_is_too_old_or_of_the_future(program: dict[str, Any], shift: float, tmp_path: Path) -> None:
    """By a minute: this clock goes on meanwhile. By the second: ``genuine``, below."""
    with receiving(handler=program["Receiver"]) as server:
        sender = Sender({"ops": receiver(server.url, tmp_path)}, lambda: time.time() + shift)
        with pytest.raises(NotTakenError, match="401"):
            sender.send("ops", letter())
    assert program["handled"] == []


def test_it_refuses_another_key_body_id_or_time(program: dict[str, Any]) -> None:
    body, key = shapes.body(Format.CLOUD_EVENTS, letter()), signing.keys_of(KEY)
    good = signing.headers(key, "id-1", 1000, body)
    genuine = program["genuine"]

    assert genuine(good, body, KEY, 1000)
    assert genuine(signing.headers([b"x" * 32, *key], "id-1", 1000, body), body, KEY, 1100)
    assert not genuine(good, body + b" ", KEY, 1000)
    assert not genuine({**good, "webhook-id": "id-2"}, body, KEY, 1000)
    assert not genuine({**good, "webhook-timestamp": "1001"}, body, KEY, 1000)
    assert not genuine({**good, "webhook-timestamp": "soon"}, body, KEY, 1000)
    assert not genuine(signing.headers([b"x" * 32], "id-1", 1000, body), body, KEY, 1000)
    assert not genuine({}, body, KEY, 1000)


@pytest.mark.parametrize(("now", "taken"), [(699, False), (700, True), (1300, True), (1301, False)])
def test_it_takes_what_is_five_minutes_old_and_no_more(program: dict[str, Any], now: float, taken: bool) -> None:
    body = shapes.body(Format.CLOUD_EVENTS, letter())
    assert program["genuine"](signing.headers(signing.keys_of(KEY), "id-1", 1000, body), body, KEY, now) is taken


def test_the_event_that_is_shown_has_the_fields_of_one() -> None:
    shown, made = json.loads(block("json")), json.loads(shapes.body(Format.CLOUD_EVENTS, letter()))
    assert shown.keys() == made.keys()
    assert shown["data"].keys() == made["data"].keys()
    assert (shown["type"], shown["source"].replace("eu-west-1", "east")) == (made["type"], made["source"])


def test_every_type_has_a_row() -> None:
    rows = set(re.findall(r"(?m)^\| `(\w+)` \| ", PAGE))
    assert {one.value for one in NoticeType} <= rows


def values() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((path.stem, yaml.safe_load(path.read_text())) for path in EXAMPLES)
    yield from (("page", yaml.safe_load(text)) for name, text in BLOCK.findall(PAGE) if name == "yaml")


def test_there_is_an_example_of_each_form() -> None:
    forms = {
        one.get("format", "CloudEvents")
        for _, given in values()
        for one in given["notifications"]["receivers"].values()
    }
    assert forms == {form.value for form in Format}
    assert len(EXAMPLES) == len(Format)
