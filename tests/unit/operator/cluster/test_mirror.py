"""What a look reads from watches: never older than our own last write, and asked anew where nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_rollouts.cluster.adapter import KubernetesCluster
from sampler_rollouts.cluster.errors import (
    ClusterError,
    ConflictError,
    DeniedError,
    NotFoundError,
    ServerError,
    UnavailableError,
)
from sampler_rollouts.cluster.kinds import DEPLOYMENT, POD, ROLLOUT, RolloutKey
from sampler_rollouts.cluster.mirror import Keeping, Mirror
from sampler_rollouts.domain.together import Together

from tests.support.kube.api import MemoryApi
from tests.support.kube.fields import copied
from tests.unit.operator.cluster.builders import DEPLOYMENTS, PODS, ROLLOUT_PATH, deployment, labelled, metadata
from tests.unit.operator.cluster.builders import rollout as body_of

Obj = dict[str, Any]
KEY = RolloutKey("serving", "chat")


class Late:
    """A connection whose watches tell only what happened until ``until``; requests are answered as things are."""

    def __init__(self, api: MemoryApi) -> None:
        self.api = api
        self.until: int | None = None
        self.broken: Exception | None = None

    def request(self, method: str, path: str, **more: Any) -> Obj:
        return self.api.request(method, path, **more)

    def events(self, path: str, query: Mapping[str, str], seconds: float) -> Iterator[Obj]:
        if self.broken:
            raise self.broken
        told = self.api.events(path, query, seconds)
        return (event for event in told if self.until is None or _version(event["object"]) <= self.until)


def _version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])


class World:
    """A cluster read through a mirror whose watches are told by hand."""

    def __init__(self) -> None:
        self.api = MemoryApi()
        self.late = Late(self.api)
        self.noticed: list[RolloutKey] = []
        self.mirror = Mirror(self.late, noticed=self.noticed.append)
        self.cluster = KubernetesCluster(self.late, self.mirror)
        self.api.put(f"{ROLLOUT_PATH}/chat", body_of())

    def watch(self) -> list[ClusterError]:
        """All that is to be told; what went wrong."""
        errors = []
        for reflector in self.mirror.reflectors:
            try:
                reflector.once()
            except ClusterError as error:
                errors.append(error)
        return errors

    def hold(self) -> None:
        """From now on watches tell nothing new."""
        self.late.until = int(self.api.version)

    @property
    def rollout(self) -> Obj:
        found = self.cluster.read(KEY)
        assert found is not None
        return found

    def asked(self) -> list[str]:
        """What of the API server was read since."""
        found = [path for method, path in self.api.requests if method == "GET"]
        self.api.requests.clear()
        return found

    def apply(self, revision: str = "r1", replicas: int = 2) -> None:
        children = self.cluster.children(self.rollout)
        self.cluster.apply(self.rollout, deployment(revision=revision, replicas=replicas), children)

    def live(self) -> dict[str, Obj]:
        return {child["metadata"]["name"]: child for child in self.cluster.children(self.rollout).live}


@pytest.fixture
def world() -> World:
    world = World()
    assert world.watch() == []
    world.asked()
    return world


def test_a_look_asks_nobody(world: World) -> None:
    world.apply()
    world.api.put(f"{PODS}/p", {"metadata": metadata("p"), "status": {}})
    world.watch()
    world.asked()

    assert list(world.live()) == ["chat-a-r1"]
    assert world.cluster.keys() == [KEY]
    assert [one.place for one in world.cluster.siblings(Together(("serving",)))] == [KEY]
    assert world.asked() == []
    assert set(world.mirror.current.values()) == {True}


def test_before_the_first_watch_each_look_reads_for_itself() -> None:
    world = World()

    assert (world.rollout["metadata"]["name"], world.cluster.keys()) == ("chat", [KEY])
    assert world.live() == {}
    assert len(world.asked()) == 7


def test_our_own_write_is_seen_before_the_watch_tells_of_it(world: World) -> None:
    world.hold()
    world.apply(replicas=2)
    world.apply(replicas=3)
    world.cluster.write_status(world.rollout, {"stage": "Serving"})
    world.asked()

    assert world.live()["chat-a-r1"]["spec"]["replicas"] == 3
    assert world.rollout["status"]["stage"] == "Serving"
    assert world.asked() == []


def test_an_event_that_comes_late_takes_nothing_back(world: World) -> None:
    world.hold()
    world.apply(replicas=2)
    first = int(world.api.version)
    world.apply(replicas=3)
    world.late.until = first
    world.watch()

    assert world.live()["chat-a-r1"]["spec"]["replicas"] == 3


def test_after_a_deletion_what_is_left_is_asked_for(world: World) -> None:
    """The answer to a deletion does not say whether somebody's finalizer holds it up."""
    world.apply()
    world.watch()
    world.hold()
    world.cluster.delete(world.rollout, world.live()["chat-a-r1"])
    world.asked()

    assert world.live() == {}
    assert world.asked() == [DEPLOYMENTS]
    assert world.live() == {}
    assert world.asked() == []


def test_what_is_gone_does_not_come_back_with_late_events(world: World) -> None:
    world.hold()
    world.apply(replicas=2)
    applied = int(world.api.version)
    world.cluster.delete(world.rollout, world.live()["chat-a-r1"])
    assert world.live() == {}
    world.late.until = applied
    world.watch()
    assert world.live() == {}
    world.late.until = None
    world.watch()
    assert world.live() == {}


def test_an_answer_that_comes_later_than_the_watch_brings_nothing_back(world: World) -> None:
    """Of a thread that hung: what it wrote has been deleted since."""
    world.apply()
    answer = copied(world.api.objects[f"{DEPLOYMENTS}/chat-a-r1"])
    world.api.drop(f"{DEPLOYMENTS}/chat-a-r1")
    world.watch()
    world.mirror.wrote(DEPLOYMENT, KEY, answer)

    assert world.live() == {}


@pytest.mark.parametrize("error", [ConflictError("409"), UnavailableError("no answer"), ServerError("500")])
def test_after_a_write_that_failed_what_is_there_is_asked_for(world: World, error: ClusterError) -> None:
    """It may have been done all the same."""
    world.hold()

    def fail(_: object) -> None:
        raise error

    world.api.after_write = fail
    with pytest.raises(ClusterError):
        world.apply()
    world.api.after_write = lambda _: None
    world.asked()

    assert list(world.live()) == ["chat-a-r1"]
    assert world.asked() == [DEPLOYMENTS]


def test_a_status_that_was_not_written_is_read_anew(world: World) -> None:
    old = world.rollout
    world.hold()
    world.api.edit(f"{ROLLOUT_PATH}/chat", lambda obj: obj["spec"].update(paused=True))
    with pytest.raises(ConflictError):
        world.cluster.write_status(old, {"stage": "Serving"})

    assert world.rollout["spec"] == {"paused": True}


@pytest.mark.parametrize("error", [UnavailableError("broke off"), DeniedError("403"), NotFoundError("404")])
def test_a_watch_that_is_lost_is_not_read(world: World, error: ClusterError) -> None:
    world.apply()
    world.watch()
    world.late.broken = error
    assert len(world.watch()) == len(world.mirror.reflectors)
    world.api.edit(f"{DEPLOYMENTS}/chat-a-r1", lambda obj: obj["spec"].update(replicas=7))
    world.asked()

    assert world.live()["chat-a-r1"]["spec"]["replicas"] == 7
    assert DEPLOYMENTS in world.asked()
    world.late.broken = None
    world.watch()
    assert world.live()["chat-a-r1"]["spec"]["replicas"] == 7
    assert world.asked() == []


def test_a_watch_that_has_lost_the_thread_lists_anew(world: World) -> None:
    world.apply("r1")
    world.watch()
    world.late.broken = ConflictError("410: too old resource version")
    world.watch()
    world.api.drop(f"{DEPLOYMENTS}/chat-a-r1")
    world.late.broken = None
    world.noticed.clear()
    world.watch()

    assert world.live() == {}
    assert KEY in world.noticed


@pytest.mark.parametrize("later", [0, 1, 12])
def test_a_store_that_was_restored_from_a_backup_is_listed_anew(world: World, later: int) -> None:
    """Its versions begin again: what the watches told is newer than anything that is there, and as wrong as can be."""
    world.apply("r1", replicas=1)
    backup = world.api.backup()
    for number in range(20):
        world.apply("r1", replicas=number)
    world.apply("r2")
    world.cluster.write_status(world.rollout, {"stage": "Serving"})
    world.watch()
    world.api.restore(backup)
    for number in range(later):
        world.api.edit(f"{DEPLOYMENTS}/chat-a-r1", lambda obj, n=number: obj["spec"].update(replicas=100 + n))
    world.noticed.clear()
    world.watch()
    world.watch()
    world.asked()

    assert {name: one["spec"] for name, one in world.live().items()} == {
        "chat-a-r1": world.api.objects[f"{DEPLOYMENTS}/chat-a-r1"]["spec"]
    }
    assert world.rollout == world.api.objects[f"{ROLLOUT_PATH}/chat"]
    assert world.asked() == []
    assert KEY in world.noticed


def test_a_watch_that_has_nothing_to_tell_goes_on(world: World) -> None:
    world.apply()
    world.watch()
    world.late.until = 0
    world.asked()
    world.watch()

    assert len(world.asked()) == len(world.mirror.reflectors), "one short listing each"
    world.late.until = None
    world.api.edit(f"{DEPLOYMENTS}/chat-a-r1", lambda obj: obj["spec"].update(replicas=7))
    world.watch()
    assert world.live()["chat-a-r1"]["spec"]["replicas"] == 7
    assert world.asked() == []


@pytest.mark.parametrize(("code", "lists"), [(410, True), (500, False)])
def test_an_error_among_the_events_ends_the_watch(world: World, code: int, lists: bool) -> None:
    status = {"code": code, "message": "m"}
    world.late.events = lambda *_: iter([{"type": "ERROR", "object": status}])  # type: ignore[method-assign]
    assert len(world.watch()) == len(world.mirror.reflectors)
    assert not any(world.mirror.current.values())
    del world.late.events
    world.asked()
    world.watch()

    assert bool(world.asked()) is lists
    assert all(world.mirror.current.values())


def test_a_child_that_changes_hands_calls_both(world: World) -> None:
    world.apply()
    world.watch()
    world.noticed.clear()
    world.api.edit(f"{DEPLOYMENTS}/chat-a-r1", lambda obj: obj["metadata"].update(labels=labelled(rollout="other")))
    world.watch()

    assert world.live() == {}
    assert set(world.noticed) == {KEY, RolloutKey("serving", "other")}


def test_a_rollout_that_is_too_new_for_the_watch_is_not_gone(world: World) -> None:
    world.hold()
    world.api.put(f"{ROLLOUT_PATH}/new", body_of("new", "uid-new"))
    found = world.cluster.read(RolloutKey("serving", "new"))

    assert found is not None
    assert found["metadata"]["uid"] == "uid-new"
    assert world.cluster.read(RolloutKey("serving", "nobody")) is None


def test_what_another_watch_tells_of_a_rollout_is_read(world: World) -> None:
    """kopf calls: its object must not be older here than there."""
    world.hold()
    world.api.edit(f"{ROLLOUT_PATH}/chat", lambda obj: obj["spec"].update(paused=True))
    world.mirror.saw("MODIFIED", copied(world.api.objects[f"{ROLLOUT_PATH}/chat"]))
    world.asked()

    assert world.rollout["spec"] == {"paused": True}
    assert world.asked() == []


def test_a_rollout_that_another_watch_tells_is_gone_is_asked_for(world: World) -> None:
    """Else its children would be made anew while our own watch is behind."""
    old = world.rollout
    world.hold()
    world.api.drop(f"{ROLLOUT_PATH}/chat")
    world.mirror.saw("DELETED", old)

    assert world.cluster.read(KEY) is None


def test_of_a_pod_only_what_is_read_is_kept(world: World) -> None:
    spec = {"nodeName": "n", "containers": [{"name": "sampler", "env": ["much"]}]}
    meta = metadata("p") | {"managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": {}}]}
    world.api.put(f"{PODS}/p", {"metadata": meta, "spec": spec, "status": {"phase": "Running"}})
    world.watch()
    (kept,) = world.mirror.of(POD, KEY) or []

    assert (kept["spec"], kept["status"]) == ({"nodeName": "n"}, {"phase": "Running"})
    assert "managedFields" not in kept["metadata"]


def test_versions_that_are_no_numbers_are_not_compared() -> None:
    world = World()
    plain = world.late.request

    def odd(method: str, path: str, **more: Any) -> Obj:
        answer = plain(method, path, **more)
        return answer | {"metadata": {**answer["metadata"], "resourceVersion": "v-1"}}

    world.late.request = odd  # type: ignore[method-assign]
    assert len(world.watch()) == len(world.mirror.reflectors)
    world.apply()
    assert list(world.live()) == ["chat-a-r1"]


def test_in_single_namespaces_nothing_is_asked_of_others() -> None:
    world = World()
    mirror = Mirror(world.late, ["serving", "other"])
    for reflector in mirror.reflectors:
        reflector.once()

    assert all("/namespaces/serving/" in path or "/namespaces/other/" in path for path in world.asked())
    assert mirror.keys() == [KEY]
    assert mirror.of(DEPLOYMENT, KEY) == []
    assert mirror.of(DEPLOYMENT, RolloutKey("elsewhere", "chat")) is None


def test_threads_keep_it_and_try_again(world: World) -> None:
    mirror = Mirror(world.late)
    world.late.broken = UnavailableError("not yet")
    keeping = Keeping(mirror)
    keeping.start()
    keeping.wait(5.0)
    assert not any(mirror.current.values())
    world.late.broken = None
    other = Keeping(mirror)
    other.start()
    other.wait(5.0)
    assert all(mirror.current.values())
    keeping.stop()
    other.stop()


STEPS = st.sampled_from(["apply", "scale", "delete", "fail", "status", "pod", "tell", "some", "break", "gone"])


@settings(deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(0, 3)), max_size=30))
def test_whatever_happens_no_look_is_older_than_our_own_last_write(steps: list[tuple[str, int]]) -> None:
    world = World()
    world.watch()
    for step, number in steps:
        _do(world, step, f"r{number}", number)
        _is_as_new_as_our_writes(world)
    world.late.until, world.late.broken = None, None
    world.watch()
    world.watch()
    _is_the_truth(world)


def _do(world: World, step: str, revision: str, number: int) -> None:
    name = f"chat-a-{revision}"
    if step == "apply":
        world.apply(revision, number)
    elif step in ("scale", "delete") and name in (live := world.live()):
        act = world.cluster.scale_to_zero if step == "scale" else world.cluster.delete
        act(world.rollout, live[name])
    elif step == "fail":
        _fail_after_the_write(world, revision, number)
    elif step == "status":
        world.cluster.write_status(world.rollout, {"stage": ["Serving", "Idle"][number % 2]})
    elif step == "pod":
        world.api.put(f"{PODS}/p{number}", {"metadata": metadata(f"p{number}"), "status": {"n": number}})
    else:
        _watch(world, step, number)


def _watch(world: World, step: str, number: int) -> None:
    if step == "break":
        world.late.broken = UnavailableError("broke off")
    elif step == "gone":
        world.late.broken = ConflictError("410")
    elif step == "some":
        world.late.broken, world.late.until = None, max(0, int(world.api.version) - number)
    else:
        world.late.broken, world.late.until = None, None
    world.watch()


def _fail_after_the_write(world: World, revision: str, number: int) -> None:
    def fail(_: object) -> None:
        raise UnavailableError("no answer")

    world.api.after_write = fail
    try:
        world.apply(revision, number)
    except UnavailableError:
        pass
    finally:
        world.api.after_write = lambda _: None


def _is_as_new_as_our_writes(world: World) -> None:
    """Nobody else changes what is compared here."""
    seen = world.live()
    for path, obj in world.api.objects.items():
        if path.startswith(DEPLOYMENTS):
            assert _version(seen[obj["metadata"]["name"]]) == _version(obj)
    assert world.rollout == world.api.objects[f"{ROLLOUT_PATH}/chat"]


def _is_the_truth(world: World) -> None:
    world.asked()
    live = {path.rsplit("/", 1)[1]: obj for path, obj in world.api.objects.items() if path.startswith(DEPLOYMENTS)}
    assert {name: _version(obj) for name, obj in world.live().items()} == {n: _version(o) for n, o in live.items()}
    pods = {obj["metadata"]["name"] for path, obj in world.api.objects.items() if path.startswith(PODS)}
    assert {pod["metadata"]["name"] for pod in world.mirror.of(POD, KEY) or []} == pods
    assert [path for path in world.asked() if path != DEPLOYMENTS] == []


def test_one_that_is_gone_stays_so_however_often_it_is_asked_for(world: World) -> None:
    old = world.rollout
    world.hold()
    world.api.drop(f"{ROLLOUT_PATH}/chat")
    world.mirror.saw("DELETED", old)

    assert [world.cluster.read(KEY) for _ in range(3)] == [None, None, None]
    said = world.mirror.siblings(Together((KEY.namespace,)))
    assert said == ([], {KEY.namespace}), "what a dead one says of failed builds is asked for"


def test_what_others_say_is_asked_for_only_in_the_namespace_of_which_nobody_knows(world: World) -> None:
    for namespace in ("team-b", "other"):
        world.api.put(ROLLOUT_PATH.replace("serving", namespace) + "/chat", body_of() | {"metadata": _place(namespace)})
    world.watch()
    world.asked()
    every = Together(("serving", "team-*"))
    assert {one.place for one in world.cluster.siblings(every)} == {("serving", "chat"), ("team-b", "chat")}
    assert world.asked() == []

    world.mirror.doubt(ROLLOUT, RolloutKey("team-b", "chat"))
    world.mirror.doubt(ROLLOUT, RolloutKey("other", "chat"))
    assert {one.place for one in world.cluster.siblings(every)} == {("serving", "chat"), ("team-b", "chat")}
    assert world.asked() == [ROLLOUT_PATH.replace("serving", "team-b")]


def test_of_watched_namespaces_the_one_whose_watch_is_broken_is_asked() -> None:
    api = MemoryApi()
    mirror = Mirror(Late(api), ("serving", "team-b"))
    for namespace in ("serving", "team-b", "other"):
        api.put(ROLLOUT_PATH.replace("serving", namespace) + "/chat", body_of() | {"metadata": _place(namespace)})
    for reflector in mirror.reflectors:
        if "team-b" not in reflector.path:
            reflector.once()
    api.requests.clear()
    found = KubernetesCluster(api, mirror).siblings(Together(("*",), ("serving", "team-b")))
    assert {one.place for one in found} == {("serving", "chat"), ("team-b", "chat")}
    assert api.requests == [("GET", ROLLOUT_PATH.replace("serving", "team-b"))]


def _place(namespace: str) -> Obj:
    return {"name": "chat", "namespace": namespace}
