"""Cases of a SamplerPool: its scale subresource, and a count that is no longer applied once it is there."""

from __future__ import annotations

from typing import Any

from sampler_rollouts.cluster.kinds import SAMPLER_POOL

from tests.support.kube.conformance import MERGE, Calls, case, fails, owners, version

Obj = dict[str, Any]


def _created(calls: Calls, name: str, replicas: int = 3) -> Obj:
    body = {"apiVersion": SAMPLER_POOL.api_version, "kind": SAMPLER_POOL.kind, **_body(name)}
    body |= {"spec": {"replicas": replicas}, "status": {"replicas": 9}}
    query = {"fieldManager": "one"}
    return calls.server.request("POST", calls.path(SAMPLER_POOL), query=query, body=body)


def _body(name: str, **labels: str) -> Obj:
    return {"metadata": {"name": name, "labels": {"app": name, **labels}}}


def _scaled(calls: Calls, name: str, replicas: int) -> Obj:
    """As an autoscaler does it: what was read, with another count."""
    path = f"{calls.path(SAMPLER_POOL, name)}/scale"
    scale = calls.server.request("GET", path)
    body = {**scale, "spec": {"replicas": replicas}}
    return calls.server.request("PUT", path, query={"fieldManager": "autoscaler"}, body=body)


def _told(calls: Calls, name: str, seen: Obj, **status: Any) -> Obj:
    path = f"{calls.path(SAMPLER_POOL, name)}/status"
    body = {"metadata": {"resourceVersion": version(seen)}, "status": status}
    return calls.server.request("PATCH", path, query={"fieldManager": "one"}, body=body, content_type=MERGE)


@case((3, 3, 7, ["one"], ["autoscaler"]))
def a_count_that_was_created_stays_when_the_rest_is_applied(calls: Calls) -> Any:
    created = _created(calls, "counted")
    applied = calls.apply(SAMPLER_POOL, _body("counted"), force=True)
    again = calls.apply(SAMPLER_POOL, _body("counted", more="1"), force=True)
    _scaled(calls, "counted", 7)
    scaled = calls.apply(SAMPLER_POOL, _body("counted"), force=True)
    counts = [one["spec"]["replicas"] for one in (applied, again, scaled)]
    return *counts, owners(created, "f:replicas"), owners(scaled, "f:replicas")


@case(("Refused", "Refused", "Refused", "Refused", 3))
def a_count_of_nothing_and_none_at_all_are_refused(calls: Calls) -> Any:
    made = _created(calls, "bounded")
    taken_out = {"spec": {"replicas": None}}
    return (
        fails(lambda: _scaled(calls, "bounded", 0)),
        fails(lambda: _scaled(calls, "bounded", 201)),
        fails(lambda: calls.merge(SAMPLER_POOL, "bounded", taken_out)),
        fails(lambda: calls.apply(SAMPLER_POOL, _body("unbounded"))),
        made["spec"]["replicas"],
    )


@case((False, {"replicas": 2, "selector": "a=b,!c"}, {"replicas": 3}, "Conflict", "NotFound"))
def what_there_is_is_told_in_status_and_read_through_the_scale(calls: Calls) -> Any:
    made = _created(calls, "told")
    _told(calls, "told", made, replicas=2, selector="a=b,!c")
    scale = calls.server.request("GET", f"{calls.path(SAMPLER_POOL, 'told')}/scale")
    late = fails(lambda: _told(calls, "told", made, replicas=1))
    return "status" in made, scale["status"], scale["spec"], late, fails(lambda: _scaled(calls, "nobody", 2))


@case(("Refused", "Refused", ""))
def a_scale_that_is_put_names_its_object(calls: Calls) -> Any:
    _created(calls, "named")
    path = f"{calls.path(SAMPLER_POOL, 'named')}/scale"

    def put(**metadata: str) -> Obj:
        return calls.server.request("PUT", path, body={"metadata": metadata, "spec": {"replicas": 4}})

    return fails(put), fails(lambda: put(name="other")), fails(lambda: put(name="named"))
