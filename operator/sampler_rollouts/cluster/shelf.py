"""Objects of one kind as the API server last told them, grouped by SamplerRollout: a listing, kept by a watch.

What comes late is told from what is new by resource versions, which are numbers that rise (Kubernetes 1.35 says so, and
every API server on etcd has always done it). Objects are kept as compressed JSON: thousands of rollouts have tens of
thousands of children, of which a look needs a dozen.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sampler_rollouts.cluster.kinds import RolloutKey, metadata
from sampler_rollouts.domain.outcome import Manifest
from sampler_rollouts.domain.together import Together

_FAST: Final = 1
"""Compression that costs less than parsing, and makes a Deployment a quarter of its size."""

Place = tuple[str, str]
"""Namespace and name of an object."""


def version_of(obj: Manifest) -> int:
    """An object's resource version; 0, older than any, for what is no number."""
    text = str(metadata(obj).get("resourceVersion", ""))
    return int(text) if text.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class _Kept:
    key: RolloutKey
    version: int
    packed: bytes
    note: Any


class Shelf:
    """Thread-safe. ``key_of`` says to which rollout an object belongs, ``slim`` what of it is worth keeping, ``note``
    what is kept of it unpacked.

    It may be read only while it is *current*: there is a watch. And not for a rollout in *doubt*, of which a write may
    have had an effect that nobody has told yet: that one is listed directly, and the listing put here.
    """

    def __init__(
        self,
        key_of: Callable[[Manifest], RolloutKey | None],
        slim: Callable[[Manifest], Manifest] = lambda obj: obj,
        note: Callable[[Manifest], Any] = lambda _: None,
    ) -> None:
        self._key_of = key_of
        self._slim = slim
        self._note = note
        self._lock = threading.Lock()
        self._kept: dict[Place, _Kept] = {}
        self._groups: dict[RolloutKey, set[Place]] = {}
        self._floors: dict[RolloutKey, int] = {}
        """Of a rollout that was listed by itself: what the watch tells of before that is known already."""
        self._doubted: set[RolloutKey] = set()
        self._gone: set[RolloutKey] = set()
        """Of which the API server has nothing, though the watch has not told yet that it went."""
        self._version = 0
        """Everything up to it has been told."""
        self._current = False

    @property
    def current(self) -> bool:
        """Whether it may be read."""
        return self._current

    def goes_on(self) -> None:
        """A watch has begun where the last one, or the listing, ended."""
        self._current = True

    def is_lost(self) -> None:
        """There is no watch."""
        self._current = False

    def fill(self, items: Iterable[Manifest], version: int) -> set[RolloutKey]:
        """Put a listing of everything in the place of what is here; the rollouts of which anything differs."""
        with self._lock:
            changed, listed = set[RolloutKey](), set[Place]()
            if version < self._version:
                changed |= self._forget()
            for item in items:
                place = _place(item)
                listed.add(place)
                if (key := self._key_of(item)) is None or self._floors.get(key, 0) > version:
                    continue
                changed |= self._keep(place, key, item)
            for place, kept in list(self._kept.items()):
                if place not in listed and kept.version <= version and self._floors.get(kept.key, 0) <= version:
                    changed.add(self._end(place))
            self._advance(version)
            return changed

    def _forget(self) -> set[RolloutKey]:
        """Everything but doubts: the store was restored from a backup, and its versions begin again from there."""
        known = set(self._groups)
        for kept in (self._kept, self._groups, self._floors, self._gone):
            kept.clear()
        self._version = 0
        return known

    def take(self, kind: str, obj: Manifest) -> set[RolloutKey]:
        """One event of the watch: ADDED, MODIFIED, DELETED or BOOKMARK; the rollouts that it is about."""
        version = version_of(obj)
        with self._lock:
            touched = set[RolloutKey]() if kind == "BOOKMARK" else self._told(kind, obj, version)
            self._advance(version)
            return touched

    def _told(self, kind: str, obj: Manifest, version: int) -> set[RolloutKey]:
        place, key = _place(obj), self._key_of(obj)
        known = self._kept.get(place)
        touched = {one for one in (key, known.key if known else None) if one is not None}
        if any(self._floors.get(one, 0) >= version for one in touched):
            return touched
        if kind != "DELETED" and key is not None:
            self._keep(place, key, obj)
        elif known is not None and known.version <= version:
            self._end(place)
        return touched

    def wrote(self, obj: Manifest) -> None:
        """The API server's answer to a write of our own: the watch may not have told it yet."""
        place, version, key = _place(obj), version_of(obj), self._key_of(obj)
        with self._lock:
            # What the watch has passed and does not know has been deleted since.
            if key is not None and (place in self._kept or version > max(self._version, self._floors.get(key, 0))):
                self._keep(place, key, obj)

    def doubt(self, key: RolloutKey) -> None:
        """A write of our own may have had an effect that we were not told: until it is listed anew."""
        with self._lock:
            self._doubted.add(key)

    def gone(self, key: RolloutKey) -> None:
        """Nothing is there of a rollout; what is kept of it is read no more, and goes once the watch tells so."""
        with self._lock:
            self._doubted.discard(key)
            if key in self._groups:
                self._gone.add(key)

    def renew(self, key: RolloutKey, items: Iterable[Manifest], version: int) -> None:
        """What is listed of one rollout, by a request that was made after the last write."""
        with self._lock:
            self._doubted.discard(key)
            self._gone.discard(key)
            if version <= self._version:
                return  # the watch knows all of it, and more
            listed = {_place(item): item for item in items}
            for place, item in listed.items():
                self._keep(place, key, item)
            for place in list(self._groups.get(key, ())):
                if place not in listed and self._kept[place].version <= version:
                    self._drop(place)
            self._floors[key] = version

    def of(self, key: RolloutKey) -> list[Manifest] | None:
        """All objects of a rollout, in the order of their names; None if they have to be listed."""
        with self._lock:
            if not self._current or key in self._doubted or key in self._gone:
                return None
            packed = [self._kept[place].packed for place in sorted(self._groups.get(key, ()))]
        return [json.loads(zlib.decompress(one)) for one in packed]

    def keys(self) -> list[RolloutKey] | None:
        """All rollouts; None if they have to be listed."""
        with self._lock:
            return sorted(self._groups) if self._current else None

    def notes(self, within: Together) -> tuple[list[Any], frozenset[str]] | None:
        """What ``note`` said of the objects of some namespaces, but for those of which all has to be listed.

        None if that is each of them.
        """
        with self._lock:
            if not self._current:
                return None
            unknown = within.among({key.namespace for key in self._doubted | self._gone})
            names = within.names
            known = (frozenset(names) if names else within.among({where for where, _ in self._kept})) - unknown
            return [kept.note for (where, _), kept in self._kept.items() if where in known], unknown

    def notes_of(self, key: RolloutKey) -> list[Any] | None:
        """The same of the objects of one rollout."""
        with self._lock:
            if not self._current or key in self._doubted or key in self._gone:
                return None
            return [self._kept[place].note for place in self._groups.get(key, ())]

    def _keep(self, place: Place, key: RolloutKey, obj: Manifest) -> set[RolloutKey]:
        """The rollouts that it changes: none if as new a state is here."""
        version, known = version_of(obj), self._kept.get(place)
        if known is not None and known.version >= version:
            return set()
        touched = {key} if known is None else {key, self._drop(place)}
        packed = zlib.compress(json.dumps(self._slim(obj), separators=(",", ":")).encode(), _FAST)
        self._kept[place] = _Kept(key, version, packed, self._note(obj))
        self._groups.setdefault(key, set()).add(place)
        return touched

    def _end(self, place: Place) -> RolloutKey:
        """It is known to have gone."""
        key = self._drop(place)
        if key not in self._groups:
            self._gone.discard(key)
        return key

    def _drop(self, place: Place) -> RolloutKey:
        key = self._kept.pop(place).key
        self._groups[key].discard(place)
        if not self._groups[key]:
            del self._groups[key]
        return key

    def _advance(self, version: int) -> None:
        self._version = max(self._version, version)
        if self._floors:
            self._floors = {key: floor for key, floor in self._floors.items() if floor > self._version}


def _place(obj: Manifest) -> Place:
    return metadata(obj).get("namespace", ""), metadata(obj)["name"]
