"""What a receiver gets: its form, signed, with the secrets as they are at that moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sampler_rollouts.domain.notices import signing
from sampler_rollouts.domain.receivers import PAGER_DUTY, Format, Receiver
from sampler_rollouts.notify.post import NotTakenError
from sampler_rollouts.notify.sender import Sender, _target

from tests.unit.operator.notices.receiver import KEY, letter, receiver, receiving

NOW = 1_767_323_045.7


def test_a_cloud_event_is_signed_over_what_was_sent(tmp_path: Path) -> None:
    with receiving() as server:
        Sender({"ops": receiver(server.url, tmp_path)}, lambda: NOW).send("ops", letter())
        (got,) = server.got
    expected = signing.headers(signing.keys_of(KEY), letter().notice.id, int(NOW), got.body)
    assert got.headers.items() >= expected.items()
    assert got.headers["webhook-id"] == got.content["id"] == letter().notice.id
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert "authorization" not in got.headers


def test_slack_s_address_and_pager_duty_s_key_come_from_files(tmp_path: Path) -> None:
    with receiving() as server:
        files = {name: tmp_path / name for name in ("url", "routing", "token")}
        for name, text in (("url", f"{server.url}?secret=1\n"), ("routing", "R" * 32), ("token", "bearer-1\n")):
            files[name].write_text(text)
        slack = Receiver(format=Format.SLACK, url_file=files["url"], bearer_token_file=files["token"])
        pager = Receiver(format=Format.PAGER_DUTY, url=server.url, routing_key_file=files["routing"])
        sender = Sender({"slack": slack, "pager": pager})
        sender.send("slack", letter())
        sender.send("pager", letter())
        first, second = server.got
    assert (first.path, first.headers["authorization"]) == ("/rollouts?secret=1", "Bearer bearer-1")
    assert "blocks" in first.content
    assert second.content["routing_key"] == "R" * 32
    assert "webhook-signature" not in first.headers.keys() | second.headers.keys()


def test_a_secret_that_changes_is_used_from_then_on(tmp_path: Path) -> None:
    with receiving() as server:
        sender = Sender({"ops": receiver(server.url, tmp_path)}, lambda: NOW)
        sender.send("ops", letter())
        (tmp_path / "key").write_text(f"whsec_{'QUJD' * 8}\n{KEY}")
        sender.send("ops", letter())
    before, after = (got.headers["webhook-signature"].split(" ") for got in server.got)
    assert len(before) == 1
    assert len(after) == 2
    assert after[1] == before[0]


def test_without_an_address_pager_duty_s_is_meant() -> None:
    assert _target(Receiver(format=Format.PAGER_DUTY, routing_key_file=Path("/key"))).geturl() == PAGER_DUTY


@pytest.mark.parametrize(
    ("field", "text", "why"),
    [
        ("signing_key_file", None, "signingKeyFile: cannot be read: mount a Secret"),
        ("signing_key_file", "hunter2", "signingKeyFile: each key must be whsec_"),
        ("signing_key_file", "\xff", "signingKeyFile: cannot be read"),
        ("bearer_token_file", "", "bearerTokenFile: must hold one word"),
        ("bearer_token_file", "hunter2\r\nX-Evil: 1", "bearerTokenFile: must hold one word"),
        ("url_file", "ftp://hunter2", "must be an address such as"),
        ("url_file", "http://hunter2.example", "must be https"),
        ("url_file", "https://a:hunter2@b", "must not hold a user or password"),
    ],
)
def test_what_a_file_must_hold_is_said_without_what_it_holds(
    field: str, text: str | None, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    plain = receiver("https://hooks.example.com", tmp_path)
    changes: dict[str, Any] = {field: file, **({"url": None} if field == "url_file" else {})}
    sender = Sender({"ops": plain.model_copy(update=changes)})
    with pytest.raises(NotTakenError) as caught:
        sender.send("ops", letter())
    assert why in caught.value.why
    assert "hunter2" not in caught.value.why
    assert caught.value.hopeless
    assert why in sender.problems()["ops"]


def test_looking_whether_it_can_be_reached_sends_nothing(tmp_path: Path) -> None:
    with receiving() as server:
        assert Sender({"ops": receiver(server.url, tmp_path)}).problems() == {"ops": ""}
        assert server.got == []
    problems = Sender({"ops": receiver(server.url, tmp_path)}).problems()
    assert problems == {"ops": "no connection to it"}
