"""kopf's part: which key an event means, and that nothing but watching is asked of it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from sampler_rollouts.cluster.errors import ClusterError, DeniedError, NotFoundError, UnavailableError
from sampler_rollouts.cluster.kinds import HTTP_ROUTE, Kind, RolloutKey
from sampler_rollouts.cluster.watchable import ALWAYS, watched
from sampler_rollouts.handlers import watch
from sampler_rollouts.handlers.watch import Novelty, Watch, key_from_child, registry, settings


def body(generation: int = 1, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "n", "name": "chat", "uid": "u", "generation": generation, **metadata}}


def test_a_child_belongs_to_the_rollout_that_its_label_names() -> None:
    labelled = body(labels={"samplerrollouts.io/rollout": "other"})

    assert key_from_child(labelled) == RolloutKey("n", "other")
    assert key_from_child(body()) is None


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

    assert len(handlers._watching.get_all_handlers()) == 3
    for others in (handlers._changing, handlers._spawning, handlers._indexing, handlers._webhooks):
        assert not list(others.get_all_handlers())


def test_only_labelled_pods_and_deployments_are_watched() -> None:
    selectors = settings().watching.label_selectors

    assert {(s.group, s.any_name): label for s, label in selectors.items()} == {
        ("apps", "deployments"): "samplerrollouts.io/rollout",
        ("", "pods"): "samplerrollouts.io/rollout",
    }


def test_routes_are_watched_where_they_can_be_listed() -> None:
    kinds = (*ALWAYS, HTTP_ROUTE)
    assert len(registry(lambda key: None, kinds)._watching.get_all_handlers()) == 4
    selectors = settings(kinds).watching.label_selectors
    assert ("gateway.networking.k8s.io", "httproutes") in {(s.group, s.any_name) for s in selectors}


class Answers:
    """An API server that has the Gateway API or not."""

    def __init__(self, error: ClusterError | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        self.asked.append(f"{method} {path}")
        if self._error:
            raise self._error
        return {"items": []}


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (None, (*ALWAYS, HTTP_ROUTE)),
        (NotFoundError("no such kind"), ALWAYS),
        (DeniedError("no right to list httproutes"), ALWAYS),
        (UnavailableError("no answer"), ALWAYS),
    ],
)
def test_a_cluster_without_the_gateway_api_is_watched_all_the_same(
    error: ClusterError | None, kinds: tuple[Kind, ...]
) -> None:
    assert watched(Answers(error)) == kinds


def test_in_single_namespaces_nothing_is_asked_of_others() -> None:
    api = Answers()
    watched(api, ["a", "b"])
    root = "GET /apis/gateway.networking.k8s.io/v1/namespaces"
    assert api.asked == [f"{root}/a/httproutes", f"{root}/b/httproutes"]


def test_what_is_watched_is_asked_anew_at_each_start(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[int] = []
    every = iter([ALWAYS, (*ALWAYS, HTTP_ROUTE)])

    async def operator(*, registry: Any, **_: Any) -> None:
        starts.append(len(registry._watching.get_all_handlers()))

    monkeypatch.setattr(watch.kopf, "operator", operator)
    watching = Watch(lambda key: None, [], lambda: True, lambda: next(every, ALWAYS), restart_delay=0.01)
    watching.start()
    wait_for(lambda: len(starts) >= 2)
    watching.stop()
    assert starts[:2] == [3, 4]


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
