"""The forms in which a notification is sent: CloudEvents 1.0 (structured JSON), Slack, PagerDuty Events v2."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain.notices.notice import ENDS_TROUBLE, NoticeType
from sampler_rollouts.domain.receivers import Format

if TYPE_CHECKING:
    from sampler_rollouts.domain.notices.notice import Letter

VERSION: Final = "v1"
"""Of ``data``. Fields may be added; what changes or takes away one raises it."""
EVENT_TYPES: Final = {
    NoticeType.PROMOTED: "promoted",
    NoticeType.ROLLED_BACK: "rolled-back",
    NoticeType.HELD: "held",
    NoticeType.DEGRADED: "degraded",
    NoticeType.RECOVERED: "recovered",
}
HEADINGS: Final = {
    NoticeType.PROMOTED: "promoted",
    NoticeType.ROLLED_BACK: "rolled back",
    NoticeType.HELD: "holds",
    NoticeType.DEGRADED: "degraded",
    NoticeType.RECOVERED: "recovered",
}
SEVERITIES: Final = {NoticeType.ROLLED_BACK: "error", NoticeType.HELD: "warning", NoticeType.DEGRADED: "critical"}
"""PagerDuty's words, of those that open an incident."""
_SLACK_HEADER, _PAGER_SUMMARY = 150, 1024
_JSON: Final = "application/json"


def content_type(form: Format) -> str:
    """The media type of the body."""
    return "application/cloudevents+json; charset=utf-8" if form is Format.CLOUD_EVENTS else _JSON


def body(form: Format, letter: Letter, routing_key: str = "") -> bytes:
    """The body. ``routing_key`` is PagerDuty's. The same letter always gives the same bytes."""
    if form is Format.SLACK:
        shape = _slack(letter)
    elif form is Format.PAGER_DUTY:
        shape = _pager_duty(letter, routing_key)
    else:
        shape = _cloud_event(letter)
    return json.dumps(shape, ensure_ascii=False, separators=(",", ":")).encode()


def _cloud_event(letter: Letter) -> dict[str, Any]:
    notice = letter.notice
    return {
        "specversion": "1.0",
        "id": notice.id,
        "source": _source(letter),
        "type": f"io.samplerrollouts.rollout.{EVENT_TYPES[notice.type]}.{VERSION}",
        **({"subject": notice.release} if notice.release else {}),
        "time": _time(letter),
        "datacontenttype": _JSON,
        "data": _data(letter),
    }


def _data(letter: Letter) -> dict[str, str]:
    notice = letter.notice
    return {
        "cluster": letter.origin.cluster,
        "namespace": letter.origin.namespace,
        "rollout": letter.origin.rollout,
        "uid": letter.origin.uid,
        "type": notice.type.value,
        "reason": notice.reason,
        "release": notice.release,
        "message": notice.message,
        "at": _time(letter),
    }


def _slack(letter: Letter) -> dict[str, Any]:
    """Plain text in blocks, which Slack takes as it is; ``text`` is what it shows in lists, and is marked up."""
    heading, notice = _heading(letter), letter.notice
    where = f"release {notice.release} · {notice.reason} · {_time(letter)}"
    return {
        "text": _escaped(f"{heading}: {notice.message}"),
        "blocks": [
            {"type": "header", "text": _plain(_cut(heading, _SLACK_HEADER))},
            {"type": "section", "text": _plain(notice.message or heading)},
            {"type": "context", "elements": [_plain(where)]},
        ],
    }


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _escaped(text: str) -> str:
    """Slack's three signs: a name cannot call a channel or hide a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _pager_duty(letter: Letter, routing_key: str) -> dict[str, Any]:
    """One incident for each SamplerRollout: the next trouble adds to it, what ends the trouble resolves it."""
    notice = letter.notice
    head = {"routing_key": routing_key, "dedup_key": f"samplerrollout/{letter.origin.uid}"}
    if notice.type in ENDS_TROUBLE:
        return {**head, "event_action": "resolve"}
    return {
        **head,
        "event_action": "trigger",
        "client": "sampler-rollouts",
        "payload": {
            "summary": _cut(f"{_heading(letter)}: {notice.message}", _PAGER_SUMMARY),
            "source": _source(letter),
            "severity": SEVERITIES[notice.type],
            "timestamp": _time(letter),
            "component": letter.origin.rollout,
            "group": letter.origin.namespace,
            "class": notice.reason,
            "custom_details": {**_data(letter), "id": notice.id},
        },
    }


def _heading(letter: Letter) -> str:
    place = f"{letter.origin.cluster}: " if letter.origin.cluster else ""
    return f"{place}{letter.origin.namespace}/{letter.origin.rollout} {HEADINGS[letter.notice.type]}"


def _source(letter: Letter) -> str:
    cluster = f"/clusters/{letter.origin.cluster}" if letter.origin.cluster else ""
    return f"{cluster}/namespaces/{letter.origin.namespace}/samplerrollouts/{letter.origin.rollout}"


def _time(letter: Letter) -> str:
    return letter.notice.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
