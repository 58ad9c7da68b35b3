"""kopf's part: which key an event means, and that nothing but watching is asked of it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from sampler_rollouts.handlers import watch
from sampler_rollouts.handlers.watch import Novelty, Watch, registry


def body(generation: int = 1, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "n", "name": "chat", "uid": "u", "generation": generation, **metadata}}


def test_our_own_status_writes_are_no_news() -> None:
    novelty = Novelty()

    assert novelty.is_news("ADDED", body())
    assert not novelty.is_news("MODIFIED", body(resourceVersion="2"))


@pytest.mark.parametrize(
    ("event", "changed"),
    [
        ("MODIFIED", body(generation=2)),
        ("MODIFIED", body(annotations={"samplerrollouts.io/promote": "1"})),
        ("MODIFIED", body(deletionTimestamp="2026-01-01T00:00:00Z")),
        ("MODIFIED", body(uid="recreated")),
        ("DELETED", body()),
        (None, body()),
    ],
)
def test_a_persons_change_is_news(event: str | None, changed: dict[str, Any]) -> None:
    novelty = Novelty()
    novelty.is_news("ADDED", body())

    assert novelty.is_news(event, changed)


def test_no_handler_stores_anything_on_objects() -> None:
    """Finalizers, annotations and progress come with change, timer and daemon handlers: there are none."""
    handlers = registry(lambda key: None)

    assert len(handlers._watching.get_all_handlers()) == 1
    for others in (handlers._changing, handlers._spawning, handlers._indexing, handlers._webhooks):
        assert not list(others.get_all_handlers())


async def test_whoever_is_called_finds_what_called_him() -> None:
    """What a look reads is kept by another watch, which may be behind."""
    told: list[object] = []
    handlers = registry(
        lambda key: told.append(str(key)), lambda kind, obj: told.append((kind, obj["metadata"]["name"]))
    )
    (handler,) = handlers._watching.get_all_handlers()

    await handler.fn(body=body(), type=None)
    await handler.fn(body=body(resourceVersion="2"), type="MODIFIED")
    await handler.fn(body=body(generation=2), type="MODIFIED")
    await handler.fn(body=body(generation=2), type="DELETED")
    changed, gone = ("MODIFIED", "chat"), ("DELETED", "chat")
    assert told == [(None, "chat"), "n/chat", changed, changed, "n/chat", gone, "n/chat"]


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("error", [RuntimeError("a watch was denied"), asyncio.CancelledError()])
def test_kopf_waits_for_the_kind_and_starts_again_after_it_ended(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    starts: list[float] = []
    known = threading.Event()

    async def operator(**_: Any) -> None:
        starts.append(time.monotonic())
        raise error

    monkeypatch.setattr(watch.kopf, "operator", operator)
    watching = Watch(lambda key: None, ["n"], known.is_set, restart_delay=0.01)
    watching.start()
    time.sleep(0.05)
    assert not starts
    known.set()
    wait_for(lambda: len(starts) >= 3)
    watching.stop()
    assert not watching._thread.is_alive()


def test_stopping_stops_kopf(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = threading.Event()

    async def operator(*, stop_flag: Any, **_: Any) -> None:
        inside.set()
        await stop_flag.wait()

    monkeypatch.setattr(watch.kopf, "operator", operator)
    watching = Watch(lambda key: None, [], lambda: True)
    watching.start()
    inside.wait(5)
    watching.stop()
    assert not watching._thread.is_alive()
