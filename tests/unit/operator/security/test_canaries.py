"""Users' words and secrets are put where the operator meets them; then all that it says is searched (R26)."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from functools import partial
from html import unescape
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from quality_contract import AUDIT_MISMATCH, AUDIT_TOKENS, CHECKED
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.domain.evidence.samples import Question, SampleSet, Series
from sampler_rollouts.domain.observation import PodState
from sampler_rollouts.domain.receivers import Format, Notifications, Receiver
from sampler_rollouts.handlers.post_telemetry import PostTelemetry
from sampler_rollouts.handlers.telemetry import Telemetry
from sampler_rollouts.metrics.config import MetricsSource
from sampler_rollouts.metrics.prometheus import PrometheusSource
from sampler_rollouts.notify.post import NotTakenError, post
from sampler_rollouts.notify.sender import Sender
from sampler_rollouts.pods.fetch import Answer
from sampler_rollouts.pods.preflight import PodPreflights
from sampler_rollouts.reconcile.couriers import deliver
from sampler_rollouts.reconcile.deliveries import Deliveries
from sampler_rollouts.reconcile.reconciler import Reconciler
from sampler_rollouts.reconcile.sampling import BoundedMetrics
from samplerctl.app import app
from typer.testing import CliRunner

from tests.support.scenarios.reports import FAILURE, report
from tests.unit.operator.evidence.build import ERRORS, at, question
from tests.unit.operator.metrics.misbehaving import GENEROUS, Behaviour, Server, matrix, says, serving
from tests.unit.operator.notices.receiver import receiving
from tests.unit.operator.reconcile.world import Inline, Obj, Traffic, World, begin_bad, image, spec
from tests.unit.samplerctl.api import answering
from tests.unit.samplerctl.recorded import Scraped, tried

PROMPT = "my dear diary"
"""Plain enough to pass for a label's value."""
TOKEN = "token-8d1f"
VARIABLE = "password-77c2"
EXCEPTION = "answer-5e0a"
CANARIES = (PROMPT, TOKEN, VARIABLE, EXCEPTION)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def found_in(*texts: str) -> set[str]:
    return {canary for canary in CANARIES for text in texts if canary in text}


def everything(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.text + repr([(one.args, vars(one)) for one in caplog.records])


class Chatty(Traffic):
    """Servers of a build that write what users said into every label that they have, and a store that breaks on it."""

    breaks = True

    def fetch(self, question: Question, now: datetime) -> SampleSet:
        if self.bad_images and self.breaks:
            self.breaks = False
            raise LookupError(f"cannot make anything of {EXCEPTION}")
        return super().fetch(question, now)

    def _lines(self, pod: Obj, check: str, now: datetime) -> list[Series]:
        lines = super()._lines(pod, check, now)
        return [*lines, *(_chatty(one) for one in lines)] if pod["image"] in self.bad_images else lines


def _chatty(one: Series) -> Series:
    labels = {"kind": PROMPT, "batch_bucket": PROMPT, "mode": PROMPT, "route_hash": PROMPT, PROMPT: PROMPT}
    values = tuple(map(float, range(len(one.values)))) if one.metric == AUDIT_MISMATCH else one.values
    check = {"check": PROMPT} if one.metric == CHECKED else {}
    return Series(one.metric, one.pod, one.pool, one.revision, {**one.labels, **labels, **check}, one.times, values)


def bad_spec() -> dict[str, Any]:
    wanted = spec("b")
    wanted["pools"][0]["template"] = {"env": [{"name": "DATABASE", "value": VARIABLE}], "args": [f"--key={VARIABLE}"]}
    return wanted


async def test_a_whole_rollback_says_nothing_of_what_it_met(logged: pytest.LogCaptureFixture) -> None:
    telemetry, world = Telemetry(), World()
    world.traffic = Chatty(world)
    metrics = BoundedMetrics(world.traffic, ["default"], time_limit=1.0, observer=telemetry)
    metrics._threads = {"": Inline(), "default": Inline()}  # type: ignore[dict-item]
    world.reconciler = Reconciler(KubernetesCluster(world.api), metrics, Inline(), world.clock, telemetry)
    await begin_bad(world)
    world.declare(bad_spec())
    said = []
    while not world.status.get("failed"):
        await world.turn()
        said += [json.dumps(world.status), telemetry.exposition().decode()]
    said += [json.dumps(event) for event in world.api.kinds("events").values()]

    assert "audited tokens" in json.dumps(world.status["failed"]), "the audit's labels are what this is about"
    assert "reading samples failed" in logged.text
    assert found_in(*said) == set()
    assert found_in(everything(logged)) == set()
    assert image("b") not in logged.text


def _repeats(handler: BaseHTTPRequestHandler, status: int) -> None:
    """Answer with what must not be kept wherever an answer has words: its reason, its headers, its body."""
    said = f"{handler.headers['Authorization']} {PROMPT}"
    handler.send_response(status, said)
    handler.send_header("WWW-Authenticate", f'Bearer realm="{PROMPT}", error="{said}"')
    handler.send_header("Retry-After", said)
    handler.send_header("Location", f"http://127.0.0.1:1/{TOKEN}?{PROMPT}")
    handler.send_header("Content-Length", str(len(said)))
    handler.end_headers()
    handler.wfile.write(said.encode())


REFUSALS = (302, 400, 401, 403, 407, 422, 500)
"""Each kind that is told in other words."""

LABELS = {"__name__": AUDIT_TOKENS, "pod": "c1", "pool": "pool", "revision": "new", "kind": PROMPT}
ANSWERS: dict[str, Behaviour] = {
    **{f"HTTP {status} that repeats the token": partial(_repeats, status=status) for status in REFUSALS},
    "no JSON": lambda handler: handler.answer(PROMPT.encode()),
    "an error of the API": says({"status": "error", "errorType": PROMPT, "error": PROMPT}),
    "a warning": says(matrix((LABELS, [(1.0, "1")]), warnings=[PROMPT])),
    "no number": says(matrix((LABELS, [(1.0, PROMPT)]))),
    "a series twice": says(matrix((LABELS, [(1.0, "1")]), (LABELS, [(1.0, "2")]))),
    "another type": says({"status": "success", "data": {"resultType": PROMPT, "result": [PROMPT]}}),
    "series without a place": says(matrix(({"__name__": PROMPT}, [(1.0, "1")]))),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_source_says_and_who_we_are_to_it_stays_between_us(
    name: str, logged: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    with serving(ANSWERS[name]) as server:
        config = MetricsSource(url=server.url, timeout=GENEROUS, scrape_interval=2.0, bearer_token_file=file)
        got = PrometheusSource(config).fetch(question(ERRORS), at(10))
        _was_asked(server)
        checked = PrometheusSource(config).problem(at(10))  # what `--check`, and so `helm test`, prints
    assert got.unavailable or got.message
    assert found_in(got.unavailable, got.message, checked, everything(logged)) == set()


@pytest.mark.parametrize(
    "name",
    [name for name in ANSWERS if name in ("a warning", "an error of the API") or name[5:8] in ("302", "403", "500")],
)
def test_a_report_says_nothing_of_its_source_and_none_of_the_secrets(
    name: str, logged: pytest.LogCaptureFixture, tmp_path: Path, rolled_back: Scraped
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    page, body = tmp_path / "report.html", rolled_back.body()
    pool = body["spec"]["pools"][0]
    pool["template"] = {**pool.get("template", {}), **bad_spec()["pools"][0]["template"]}

    def api(verb: str, path: str, sent: Any) -> tuple[int, Any]:
        return (200, {"items": rolled_back.notes()}) if "/events.k8s.io/" in path else (200, body)

    with answering(tmp_path, api) as kubeconfig, serving(ANSWERS[name]) as server:
        source = ("--metrics", server.url, "--metrics-token", str(tmp_path / "token"))
        line = ["report", "chat", "-o", str(page), *source, "--kubeconfig", str(kubeconfig)]
        answer = CliRunner().invoke(app, line)
        _was_asked(server)
    assert answer.exit_code == 0, answer.output
    assert rolled_back.status.history[0].message in unescape(page.read_text())
    assert found_in(answer.output, page.read_text(), everything(logged)) == set()


@pytest.fixture(scope="module")
def rolled_back() -> Scraped:
    return tried()


@pytest.mark.parametrize("status", REFUSALS)
def test_why_a_notification_was_not_taken_is_our_own_words(status: int, logged: pytest.LogCaptureFixture) -> None:
    with receiving(partial(_repeats, status=status)) as server, pytest.raises(NotTakenError) as caught:
        post(urlsplit(f"{server.url}/{VARIABLE}"), {"Authorization": f"Bearer {TOKEN}"}, PROMPT.encode(), seconds=20)
    assert server.got[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert found_in(str(caught.value), caught.value.why, everything(logged)) == set()


def _report(**changes: Any) -> Answer:
    return Answer(200, json.dumps(report("r1", **changes)).encode())


FAILED = {**FAILURE, "example": {"problem": PROMPT, PROMPT: PROMPT}, PROMPT: PROMPT}
PODS: dict[str, Answer] = {
    **{f"HTTP {status}": Answer(status, PROMPT.encode()) for status in (200, 302, 401, 403, 404, 500, 503)},
    "no report": Answer(200, json.dumps({"format": PROMPT, PROMPT: PROMPT}).encode()),
    "a member of another type": _report(outcomes=PROMPT),
    "a verdict of its own": _report(verdict=PROMPT),
    "a digest that is none": _report(digest=PROMPT),
    "another revision": _report(subject={**report("r1")["subject"], "revision": PROMPT}),
    "another precision": _report(subject={**report("r1")["subject"], "precision": PROMPT}),
    "a kind that is none": _report(verdict="failed", failures=[{**FAILURE, "kind": PROMPT}]),
    "what the crash said": _report(verdict="failed", failures=[FAILED]),
    "members that nobody knows": _report(**{PROMPT: PROMPT}),
}


@pytest.mark.parametrize("name", PODS)
def test_what_a_pod_says_of_its_preflight_is_of_the_closed_form_or_nothing(
    name: str, logged: pytest.LogCaptureFixture
) -> None:
    """Its own names of the model, of the platform and of cases apart, which are what it is asked for."""
    pod = PodState("examines", "gpu", "r1", at(0), ready=False, address="10.0.0.1")
    got = PodPreflights(lambda _: PODS[name]).read(pod, at(10))
    assert got.message or got.result
    result = got.result.model_dump_json() if got.result else ""
    assert found_in(got.reason, got.message, result, everything(logged)) == set()


async def test_what_a_receiver_says_and_who_we_are_to_it_stays_between_us(
    logged: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A whole rollback that cannot be told: nothing of the answer, the address or the secrets is in what is kept."""
    (tmp_path / "token").write_text(TOKEN)
    world, telemetry = World(), Telemetry()
    with receiving(partial(_repeats, status=500)) as server:
        (tmp_path / "url").write_text(f"{server.url}/{VARIABLE}")
        told = Receiver(
            format=Format.SLACK, url_file=tmp_path / "url", bearer_token_file=tmp_path / "token", deadline=60
        )
        posts = PostTelemetry(telemetry.registry, ["chat"])
        config = Notifications(receivers={"chat": told})
        deliveries = Deliveries(config, lambda: world.clock().timestamp(), observer=posts)
        world.traffic = Chatty(world)
        metrics = BoundedMetrics(world.traffic, ["default"], time_limit=1.0)
        metrics._threads = {"": Inline(), "default": Inline()}  # type: ignore[dict-item]
        world.reconciler = Reconciler(
            KubernetesCluster(world.api), metrics, Inline(), world.clock, telemetry, deliveries=deliveries
        )
        await begin_bad(world)
        world.declare(bad_spec())
        said = []
        for _ in range(120):
            await world.turn()
            if (job := deliveries.take("chat")) is not None:
                deliver(deliveries, Sender({"chat": told}), job, world.clock)
            said += [json.dumps(world.status), telemetry.exposition().decode()]
    said += [json.dumps(event) for event in world.api.kinds("events").values()]

    bodies = [got.body.decode() for got in server.got]
    assert any("rolled back" in body for body in bodies)
    assert {got.headers["authorization"] for got in server.got} == {f"Bearer {TOKEN}"}
    assert "HTTP 500" in everything(logged)
    assert any("NotDelivered" in one for one in said)
    assert found_in(*said, *bodies, everything(logged)) == set()


def _was_asked(server: Server) -> None:
    assert server.tokens
    assert set(server.tokens) == {f"Bearer {TOKEN}"}
