"""Hostile manifests, sent to a real API server (R25).

It takes nothing that the operator would refuse or that escapes the closed form, refuses nothing that the operator's
models take, and answers each in bounded time. `make test` sends one in so many (``HOSTILE_ONE_IN``), `make soak` all of
them. Every request is a dry run: nothing is stored.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from kubernetes.config import new_client_from_config
from sampler_rollouts.domain.resource import API_VERSION, KIND, SpecError, parse_spec

from local.cluster import Cluster
from tests.support.definition import install_crd
from tests.support.examples import examples
from tests.unit.operator.security.closed import closed
from tests.unit.operator.security.hostile import (
    ALL_PLACES,
    ESCALATIONS,
    HOSTILE,
    OBJECTS,
    SEVERAL,
    Path,
    full,
    is_due,
    put,
    without_nulls,
)

Spec = dict[str, Any]
Answer = tuple[int, bytes]
Send = Callable[[bytes], Answer]
ONE_IN = int(os.environ.get("HOSTILE_ONE_IN", "13"))
"""Prime to the numbers of values and of escalations, so that each has its turn, at one place or another."""
SENDERS = 3
SECONDS = 10.0
"""For one answer, on a machine that has other things to do."""
NAMESPACE = "default"
"""Nothing is stored in it."""
PATH = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/samplerrollouts?dryRun=All&fieldValidation=Strict"


@pytest.fixture(scope="module")
def send(cluster: Cluster) -> Iterator[Send]:
    """Posts a body, as it is, to where SamplerRollouts are created."""
    install_crd(cluster)
    client = new_client_from_config(config_file=str(cluster.kubeconfig))
    pool, address = client.rest_client.pool_manager, client.configuration.host

    def post(body: bytes) -> Answer:
        begun = time.monotonic()
        answer = pool.request("POST", address + PATH, body=body, headers={"Content-Type": "application/json"})
        assert time.monotonic() - begun < SECONDS
        return answer.status, answer.data

    yield post
    client.close()


def manifest(spec: Any) -> bytes:
    metadata = {"name": "hostile", "namespace": NAMESPACE}
    return json.dumps({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}).encode()


def agreed(send: Send, spec: Spec) -> bool:
    """Whether it is taken. Server and models are of one opinion, and what is taken is harmless."""
    status, said = send(manifest(spec))
    if status == 201:
        closed(parse_spec(json.loads(said)["spec"], "hostile"))
        return True
    assert 400 <= status < 500, said[:500]
    if b"unknown field" in said and spec != without_nulls(spec):
        # A null at a name that nobody knows: strict validation alone refuses it, and dropped it is nothing.
        return agreed(send, without_nulls(spec))
    with pytest.raises(SpecError):
        parse_spec(without_nulls(spec), "hostile")
    return False


def share(jobs: list[Any]) -> list[Any]:
    return list(islice(jobs, 0, None, ONE_IN))


def test_every_place_with_every_hostile_value(send: Send) -> None:
    jobs = share([(path, value) for path in ALL_PLACES for value in HOSTILE])
    said = _each(jobs, lambda path, value: agreed(send, put(full(), path, value)))
    assert set(said) == {True, False}


def test_no_object_of_the_spec_has_a_place_for_more(send: Send) -> None:
    jobs = share([(path, field) for path in OBJECTS for field in ESCALATIONS if not is_due(path, field)])
    said = _each(jobs, lambda path, field: agreed(send, put(full(), (*path, field), ESCALATIONS[field])))
    assert set(said) == {False}


def _each(jobs: list[tuple[Path, Any]], ask: Callable[[Path, Any], bool]) -> list[bool]:
    """What came of each; the first that goes wrong is named, its value cut."""

    def one(job: tuple[Path, Any]) -> bool:
        try:
            return ask(*job)
        except (AssertionError, SpecError, pytest.fail.Exception) as error:
            raise AssertionError(f"{job[0]}: {str(job[1])[:80]!r}: {str(error)[:500]}") from error

    with ThreadPoolExecutor(SENDERS) as senders:
        return list(senders.map(one, jobs))


@given(SEVERAL)
@settings(deadline=None, max_examples=examples(100 if ONE_IN > 1 else 2000))
def test_several_places_with_anything(send: Send, spec: Spec) -> None:
    agreed(send, spec)


DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
LARGE = ["a" * 1000] * 3200
"""A little more than the 3 MiB of a request: of much more the server leaves the rest unread, and hangs up."""
BODIES = {
    "more than a request may have": manifest(put(full(), ("pools", 0, "template", "args"), LARGE)),
    "objects in objects": manifest(full()).replace(b'"paused": false', b'"paused": ' + DEEP),
    "no JSON": manifest(full())[:-1],
    "no text": manifest(full()).replace(b"cpu-a", b"\xff\xfe"),
    "no object": manifest("spec"),
    "a field twice": manifest(full()).replace(b'"paused": false', b'"paused": false, "paused": true'),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_is_no_manifest_at_all_is_refused(send: Send, name: str) -> None:
    status, said = send(BODIES[name])
    assert 400 <= status < 500, said[:500]
    assert len(said) < 1 << 16
