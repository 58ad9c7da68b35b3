"""Ratings of answers: what counts, what does not, and who is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry
from samplerd.metrics import Metrics
from samplerd.program import Executables
from samplerd.ratings import FIRST_ROOM, MOST_ROOM, RatingRequest, Ratings
from samplerd.routes import Route, RouteLabels

from tests.unit.samplerd.servers import Server, checked, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROUTED = {"x-sampler-route": "0123abcd;7"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(executables: Executables) -> AsyncIterator[Server]:
    async with serving(executables, behind_gateway=True) as running:
        yield running


async def rate(server: Server, fingerprint: str, rating: str = "down", **headers: str) -> httpx.Response:
    said = {"system_fingerprint": fingerprint, "rating": rating}
    return await server.client.post("/v1/feedback", json=said, headers=headers)


async def told(server: Server, rating: str, outcome: str) -> float:
    return await server.number("sampler_feedback_total", rating=rating, outcome=outcome)


async def test_all_label_sets_start_at_zero(server: Server) -> None:
    for rating in ("up", "down"):
        for outcome in ("counted", "other-release", "repeated", "too-many"):
            assert await told(server, rating, outcome) == 0
    assert await checked(server, "feedback") == (0, 0)


async def test_a_rating_counts_for_the_release_of_its_answer(server: Server) -> None:
    before = await checked(server, "feedback")
    errors, requests = await checked(server), await server.number("sampler_requests_total", code="200")
    fingerprint = (await server.complete(max_tokens=1)).json()["system_fingerprint"]
    assert (await rate(server, fingerprint, "down")).json() == {"object": "feedback", "rating": "down", "counted": True}
    assert (await rate(server, fingerprint, "up")).status_code == 200
    after = await checked(server, "feedback")
    assert (after[0] - before[0], after[1] - before[1]) == (2, 1)
    await server.settled()
    assert await checked(server) == (errors[0] + 1, errors[1]), "a rating is no checked request"
    assert await server.number("sampler_requests_total", code="200") == requests + 1


async def test_a_rating_counts_under_the_answers_route(server: Server) -> None:
    answer = await server.client.post("/v1/completions", json={"prompt": "x", "max_tokens": 1}, headers=ROUTED)
    fingerprint = answer.json()["system_fingerprint"]
    assert fingerprint == "r1-0123abcd"
    none = await checked(server, "feedback")
    assert (await rate(server, fingerprint)).status_code == 200
    assert await checked(server, "feedback", "0123abcd") == (1, 1)
    assert await checked(server, "feedback") == none


@pytest.mark.parametrize(
    "fingerprint", ["r2-none", "r1-feedbeef", "r1", "none", "r1-probe", "-none", "r1-none-none", "<script>"]
)
async def test_an_answer_of_another_release_counts_for_nobody_and_the_client_is_told(
    server: Server, fingerprint: str
) -> None:
    before, lost = await checked(server, "feedback"), await told(server, "down", "other-release")
    answer = await rate(server, fingerprint)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (409, "system_fingerprint", "other_release")
    assert "this server is of revision r1" in error["message"]
    assert "<script>" not in answer.text
    assert await checked(server, "feedback") == before
    assert await told(server, "down", "other-release") == lost + 1


async def test_a_session_rates_a_release_once(server: Server) -> None:
    assert (await rate(server, "r1-0123abcd", **ROUTED)).json()["counted"]  # the route's own counters begin with it
    route, before = {**ROUTED, "x-session-id": "alice"}, await checked(server, "feedback", "0123abcd")
    answers = [await rate(server, "r1-0123abcd", rating, **route) for rating in ("down", "down", "up")]
    assert [answer.json()["counted"] for answer in answers] == [True, False, False]
    assert answers[1].json()["reason"] == "this session has rated before"
    after = await checked(server, "feedback", "0123abcd")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)
    later = await rate(server, "r1-0123abcd", **{**route, "x-sampler-route": "0123abcd;8"})
    assert later.json()["counted"], "a session counts anew in each epoch"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"system_fingerprint": "r1-none"}, "rating"),
        ({"rating": "up"}, "system_fingerprint"),
        ({"system_fingerprint": "r1-none", "rating": "meh"}, "rating"),
        ({"system_fingerprint": 7, "rating": "up"}, "system_fingerprint"),
        ({"system_fingerprint": "x" * 129, "rating": "up"}, "system_fingerprint"),
        ({"system_fingerprint": "r1-none", "rating": "up", "comment": "secret"}, "comment"),
        ([], None),
    ],
)
async def test_what_is_no_rating_is_refused_by_name(server: Server, body: Any, param: str | None) -> None:
    before = await checked(server, "feedback")
    answer = await server.client.post("/v1/feedback", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert "secret" not in answer.text
    assert await checked(server, "feedback") == before


async def test_a_body_is_bounded(server: Server) -> None:
    answer = await server.client.post("/v1/feedback", content=json.dumps({"rating": "u" * 5000}))
    assert answer.status_code == 413
    assert (await server.client.get("/v1/feedback")).status_code == 405


async def test_the_port_of_probes_takes_no_rating(server: Server) -> None:
    """Its counters are none of the users'."""
    url = server.metrics_url.replace("/metrics", "/v1/feedback")
    async with httpx.AsyncClient() as client:
        answer = await client.post(url, json={"system_fingerprint": "r1-none", "rating": "up"})
    assert answer.status_code == 404


def made() -> tuple[Ratings, Metrics]:
    metrics, routes = Metrics(), RouteLabels()
    routes.label(Route("0123abcd", 1))
    return Ratings(metrics, routes, session_capacity=10), metrics


def count(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


async def test_there_are_never_more_ratings_than_answers_but_for_a_few() -> None:
    ratings, metrics = made()
    asked = RatingRequest(system_fingerprint="r1-none", rating="down")

    def take() -> str:
        return ratings.take(asked, revision="r1", session=None, epoch=None)

    assert [take() for _ in range(FIRST_ROOM + 2)] == ["counted"] * FIRST_ROOM + ["too-many"] * 2
    ratings.answered("none")
    assert [take(), take()] == ["counted", "too-many"]
    for _ in range(3 * MOST_ROOM):
        ratings.answered("none")
    assert [take() for _ in range(MOST_ROOM + 1)].count("counted") == MOST_ROOM
    labels = {"check": "feedback", "route_hash": "none"}
    total = FIRST_ROOM + 1 + MOST_ROOM
    assert count(metrics.registry, "sampler_quality_checked_total", **labels) == total
    assert count(metrics.registry, "sampler_quality_bad_total", **labels) == total
    assert count(metrics.registry, "sampler_feedback_total", rating="down", outcome="too-many") == 4


async def test_answers_by_one_table_make_no_room_for_ratings_of_another() -> None:
    """Otherwise one answer by a new table, and a patient client, would be enough to take it back."""
    ratings, _ = made()
    for _ in range(500):
        ratings.answered("none")
    ratings.answered("0123abcd")
    new, old = (RatingRequest(system_fingerprint=f"r1-{label}", rating="down") for label in ("0123abcd", "none"))
    took = [ratings.take(new, revision="r1", session=None, epoch=None) for _ in range(100)]
    assert took.count("counted") == 1 + FIRST_ROOM
    assert [ratings.take(old, revision="r1", session=None, epoch=None) for _ in range(501)].count("counted") == 500


async def test_a_rating_without_room_leaves_its_session_unseen() -> None:
    ratings, _ = made()
    asked = RatingRequest(system_fingerprint="r1-0123abcd", rating="up")
    for _ in range(FIRST_ROOM):
        ratings.take(asked, revision="r1", session=None, epoch=None)
    assert ratings.take(asked, revision="r1", session="alice", epoch=1) == "too-many"
    ratings.answered("0123abcd")
    assert ratings.take(asked, revision="r1", session="alice", epoch=1) == "counted"
    assert ratings.take(asked, revision="r1", session="alice", epoch=1) == "too-many"


async def test_more_ratings_than_answers_are_refused_and_told_when_to_come_back(executables: Executables) -> None:
    async with serving(executables) as fresh:
        answers = [await rate(fresh, "r1-none", "up") for _ in range(FIRST_ROOM + 1)]
        assert [answer.status_code for answer in answers] == [200] * FIRST_ROOM + [429]
        assert answers[-1].json()["error"]["type"] == "rate_limit_error"
        assert answers[-1].headers["retry-after"]
        await fresh.complete(max_tokens=1)
        await fresh.settled()
        assert (await rate(fresh, "r1-none", "up")).status_code == 200
