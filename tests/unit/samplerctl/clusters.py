"""A story's world, and several, as the API server would show them to whoever says something."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from tests.unit.operator.domain.world import World
from tests.unit.samplerctl.api import PATH, no_object

COLLECTION = PATH.rpartition("/")[0]
PREFIX = "samplerrollouts.io/"


class Clock:
    """In place of the module ``time``: waiting takes none, and a busy machine makes nothing late."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Cluster:
    """Shows a world as the API server would; each reading is a look of the operator's, unless it is away."""

    def __init__(self, world: World, *, away: bool = False, name: str = "chat", namespace: str = "demo") -> None:
        self.world = world
        self.name = name
        self.namespace = namespace
        self.away = away
        self.patches: list[dict[str, Any]] = []
        self.version = 1
        self.uid = "1"
        self.gone = False
        self.meanwhile: list[Callable[[], None]] = []
        """What others do, one before each of the next answers but the first."""

    def body(self) -> dict[str, Any]:
        metadata = {"name": self.name, "namespace": self.namespace, "generation": self.world.generation}
        metadata |= {"uid": self.uid, "resourceVersion": str(self.version), "annotations": self.world.annotations}
        return {"metadata": metadata, "spec": self.world.spec, "status": self.world.raw_status}

    def __call__(self, verb: str, path: str, sent: Any) -> tuple[int, Any]:
        collection = COLLECTION.replace("/demo/", f"/{self.namespace}/")
        if path == collection:
            return 200, {"items": [self.body()]}
        if path != f"{collection}/{self.name}" or self.gone:
            return 404, no_object(path)
        if verb == "PATCH":
            return self.patch(sent)
        if not self.away:
            self.world.tick()
            self.version += 1
        answer = copy.deepcopy(self.body())
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return 200, answer

    def patch(self, sent: Any) -> tuple[int, Any]:
        if sent["metadata"].get("resourceVersion", str(self.version)) != str(self.version):
            return 409, {"message": "the object has been modified"}
        self.patches.append(sent)
        self.annotate({key.removeprefix(PREFIX): value for key, value in sent["metadata"]["annotations"].items()})
        return 200, self.body()

    def annotate(self, words: Mapping[str, str | None]) -> None:
        """As anybody may: None takes away."""
        self.version += 1
        for act, value in words.items():
            self.world.annotations.pop(PREFIX + act, None)
            self.world.annotations |= {} if value is None else {PREFIX + act: value}

    @property
    def words(self) -> dict[str, str]:
        """By act, without when it was said."""
        return {key.removeprefix(PREFIX): value.partition(" (2")[0] for key, value in self.world.annotations.items()}


class Fleet:
    """Several of them in one namespace. Who is in ``refuses`` may be read, and not be written."""

    def __init__(self, **worlds: World) -> None:
        self.clusters = {name: Cluster(world, name=name) for name, world in worlds.items()}
        self.refuses: set[str] = set()
        self.asked: list[tuple[str, str]] = []

    def __getitem__(self, name: str) -> Cluster:
        return self.clusters[name]

    def __call__(self, verb: str, path: str, sent: Any) -> tuple[int, Any]:
        name = path.rpartition("/")[2]
        if path == COLLECTION:
            return 200, {"items": [one.body() for one in self.clusters.values() if not one.gone]}
        self.asked.append((verb, name))
        if verb == "PATCH" and name in self.refuses:
            return 403, {"message": "samplerrollouts is forbidden: ask your administrator"}
        return self.clusters[name](verb, path, sent)
