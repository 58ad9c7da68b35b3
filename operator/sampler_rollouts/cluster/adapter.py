"""What the operator does at the API server: few methods, each with a time limit, each safe to repeat."""

from __future__ import annotations

import logging
import socket
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sampler_rollouts.cluster import notes
from sampler_rollouts.cluster.budgets import has_budgets
from sampler_rollouts.cluster.check_templates import templates_of
from sampler_rollouts.cluster.compare import Compared, strange_fields
from sampler_rollouts.cluster.edits import edits_of
from sampler_rollouts.cluster.errors import ClusterError, ConflictError, DeniedError, NotFoundError, RefusedError
from sampler_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    EVENT,
    FIELD_MANAGER,
    HTTP_ROUTE,
    POD,
    PRUNE_ORDER,
    ROLLOUT,
    SAMPLER_POOL,
    SERVICE,
    Kind,
    RolloutKey,
    controlled_by,
    key_of,
    kind_of,
    labels,
    metadata,
    terminating,
    told_replicas,
)
from sampler_rollouts.cluster.mirror import Mirror
from sampler_rollouts.cluster.ownership import not_ours
from sampler_rollouts.cluster.permit import Permit, PermittedApi
from sampler_rollouts.cluster.routes import comes_by_route, route_state, unreadable
from sampler_rollouts.cluster.scales import NOT_SERVED, counts_of, has_scales, parted
from sampler_rollouts.cluster.shelf import version_of
from sampler_rollouts.cluster.siblings import sibling
from sampler_rollouts.cluster.strangers import calls_of
from sampler_rollouts.cluster.translate import observation, stands_by
from sampler_rollouts.cluster.transport import Api, listed, snapshot
from sampler_rollouts.domain.check_template import CheckTemplate
from sampler_rollouts.domain.observation import Observation, RouteState, Sibling
from sampler_rollouts.domain.outcome import EventNote, Manifest
from sampler_rollouts.domain.plan import OutsideEdit
from sampler_rollouts.domain.render import LABEL_POOL, LABEL_REVISION, LABEL_ROLLOUT
from sampler_rollouts.domain.render_standby import SERVING
from sampler_rollouts.domain.together import Together

logger = logging.getLogger(__name__)

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_STRATEGIC: Final = "application/strategic-merge-patch+json"
_MANAGED: Final = {"fieldManager": FIELD_MANAGER}

ChildId = tuple[str, str]
"""Kind and name."""


@dataclass(frozen=True, slots=True)
class Children:
    """One look at what belongs to a SamplerRollout: for the decision, and as it is for apply and prune."""

    observation: Observation
    live: tuple[Manifest, ...] = ()

    def find(self, kind: str, name: str) -> Manifest | None:
        """A child of ours by kind and name."""
        return next((item for item in self.live if child_id(item) == (kind, name)), None)

    def peopled(self, child: Manifest) -> bool:
        """Whether it is a Deployment that has pods, or is told to have some."""
        if kind_of(child) is not DEPLOYMENT:
            return False
        place = (*_pool_revision(child), stands_by(child))
        pods = (pod for pod in self.observation.pods if not pod.terminating)
        alive = any((pod.pool, pod.revision, pod.standby) == place for pod in pods)
        return alive or told_replicas(child) > 0


def child_id(obj: Manifest) -> ChildId:
    """Kind and name of a child."""
    return obj["kind"], metadata(obj)["name"]


class KubernetesCluster:
    """The port to the API server. Synchronous: the reconcile runs it in threads.

    What is watched is read from the mirror. It is as new as our own last write of each object: what the API server
    answers to a write is put there, and where it does not say what a write has made, the next look lists anew.
    """

    def __init__(self, api: Api, mirror: Mirror | None = None, compared: Compared | None = None) -> None:
        self._api = api
        self._mirror = mirror or Mirror()
        self._compared = compared or Compared()
        self._instance = socket.gethostname()[:128]

    def under(self, permit: Permit) -> KubernetesCluster:
        """The same for one reconcile: every call asks the permit first (CutOffError)."""
        return KubernetesCluster(PermittedApi(self._api, permit), self._mirror, self._compared)

    def served(self) -> bool:
        """Whether the API server knows our kind yet."""
        try:
            answer = self._api.request("GET", f"/apis/{ROLLOUT.api_version}")
        except NotFoundError:
            return False
        return any(item.get("name") == ROLLOUT.plural for item in answer.get("resources") or [])

    def keys(self, namespaces: Sequence[str] = ()) -> list[RolloutKey]:
        """All SamplerRollouts, of all namespaces if none is named."""
        known = self._mirror.keys()
        if known is not None:
            return known
        paths = [ROLLOUT.path(namespace) for namespace in namespaces] or [ROLLOUT.everywhere()]
        return [key_of(item) for path in paths for item in listed(self._api, path)]

    def read(self, key: RolloutKey) -> Manifest | None:
        """The SamplerRollout, or None if it is gone."""
        known = self._mirror.of(ROLLOUT, key)
        if known:
            return known[0]
        # One that is not there may be too new for the watch: it is asked for before it is forgotten.
        try:
            found = self._api.request("GET", ROLLOUT.path(key.namespace, key.name))
        except NotFoundError:
            self._mirror.gone(ROLLOUT, key)
            return None
        self._mirror.renew(ROLLOUT, key, [found], version_of(found))
        return found

    def children(self, rollout: Manifest) -> Children:
        """All that carries the rollout's label; of what it has made only what it controls itself."""
        routes, route = self._route(rollout)
        kinds = (DEPLOYMENT, SERVICE, CONTROLLER_REVISION)
        owned = {HTTP_ROUTE: routes} | {kind: self._owned(kind, rollout) for kind in kinds}
        owned[DISRUPTION_BUDGET], budgets = self._if_any(DISRUPTION_BUDGET, rollout, wanted=has_budgets(rollout))
        owned[SAMPLER_POOL], scales = self._if_any(SAMPLER_POOL, rollout, wanted=has_scales(rollout))
        pods = self._list(POD, rollout)
        seen = observation(owned[DEPLOYMENT], owned[CONTROLLER_REVISION], pods, owned[SERVICE])
        counts, calls = counts_of(rollout, owned[SAMPLER_POOL]), self._calls(rollout, seen.services)
        return Children(
            observation=replace(seen, route=route, budgets=budgets, scales=scales, counts=counts, calls=calls),
            live=tuple(child for kind in PRUNE_ORDER for child in owned[kind]),
        )

    def siblings(self, within: Together) -> tuple[Sibling, ...]:
        """What all SamplerRollouts of some namespaces say of failed builds. Asked for is only what nobody knows."""
        known = self._mirror.siblings(within)
        said, names = known if known is not None else ([], within.names)
        paths = [ROLLOUT.everywhere()] if names is None else [ROLLOUT.path(one) for one in sorted(names)]
        asked, denied = list[Sibling](), list[DeniedError]()
        for path in paths:
            try:
                asked += (sibling(item) for item in listed(self._api, path))
            except DeniedError as error:  # of a namespace that is gone, or that a Role is missing in: others say theirs
                denied.append(error)
        if denied and not said and len(denied) == len(paths):
            raise denied[0]
        for one in denied:
            logger.warning("what failed there is not known: %s", one)
        return (*said, *(found for found in asked if found.place[0] in within))

    def check_templates(self, names: Iterable[str]) -> dict[str, CheckTemplate]:
        """The admin's templates of these names, as far as they are there and may be read."""
        return templates_of(self._api, names)

    def _route(self, rollout: Manifest) -> tuple[list[Manifest], RouteState | None]:
        """The rollout's routes, and the state of the one that users come by.

        An error here is one of routing: it keeps no abort and no deadline from being seen (R7).
        """
        if not comes_by_route(rollout):
            return [], None
        try:
            routes = self._owned(HTTP_ROUTE, rollout)
        except ClusterError as error:
            return [], unreadable(str(error))
        mine = (one for one in routes if metadata(one)["name"] == metadata(rollout)["name"] and not terminating(one))
        return routes, next((route_state(one) for one in mine), None)

    def _calls(self, rollout: Manifest, services: Iterable[str]) -> tuple[OutsideEdit, ...]:
        return calls_of(self._mirror.strangers(key_of(rollout).namespace), frozenset(services))

    def _if_any(self, kind: Kind, rollout: Manifest, *, wanted: bool) -> tuple[list[Manifest], bool]:
        """The rollout's children of a kind that not all have, and whether there may be some; nobody is asked where none
        was ever wanted.

        Who may not read them learns that when one is to be written: it keeps nothing else from being seen (R7).
        """
        if not wanted:
            return [], False
        try:
            found = self._owned(kind, rollout)
        except ClusterError as error:
            logger.debug("%s cannot be read", kind.plural, extra={"error": str(error)})
            return [], True
        return found, bool(found)

    def _owned(self, kind: Kind, rollout: Manifest) -> list[Manifest]:
        uid = metadata(rollout)["uid"]
        return [child for child in self._list(kind, rollout) if controlled_by(child, uid)]

    def write_status(self, rollout: Manifest, status: Manifest) -> Manifest:
        """Write the status if it differs, provided that nobody changed the object since it was read (ConflictError)."""
        if rollout.get("status") == status:
            return rollout
        key = key_of(rollout)
        body = {**rollout, "status": status}
        path, query = ROLLOUT.path(key.namespace, key.name) + "/status", {"fieldManager": FIELD_MANAGER}
        try:
            return self._write(ROLLOUT, key, "PUT", path, query=query, body=body)
        except NotFoundError as error:  # deleted meanwhile: the same as any other change
            raise ConflictError(str(error)) from error

    def apply(self, rollout: Manifest, wanted: Manifest, children: Children) -> bool:
        """Create or correct one child; whether anything was written."""
        live, (body, status) = children.find(*child_id(wanted)), parted(wanted)
        wrote = live is None or terminating(live) or self._compared.differs(body, live)
        if live is None:
            live = self._create(rollout, wanted)
        elif wrote:
            live = self._correct(rollout, body, live)
        if status and live.get("status") != status:
            self._tell(rollout, wanted, live)
            return True
        return wrote

    def _create(self, rollout: Manifest, wanted: Manifest) -> Manifest:
        """Without force: a stranger of the same name is never taken over."""
        path, (body, status) = kind_of(wanted).path(key_of(rollout).namespace, metadata(wanted)["name"]), parted(wanted)
        try:
            found = self._api.request("GET", path)
        except NotFoundError:
            return self._post(rollout, wanted) if status else self._patch(rollout, wanted, force=False)
        if not controlled_by(found, metadata(rollout)["uid"]):
            raise not_ours(_name(wanted), found, rollout)
        # It is ours and somebody took our label off.
        return self._correct(rollout, body, found)

    def _post(self, rollout: Manifest, wanted: Manifest) -> Manifest:
        """What is not to be applied as a whole (``scales``)."""
        _check_belongs(rollout, wanted)
        kind, key = kind_of(wanted), key_of(rollout)
        try:
            made = self._write(kind, key, "POST", kind.path(key.namespace), query=_MANAGED, body=wanted)
        except NotFoundError as error:
            raise RefusedError(f"{_name(wanted)}: {NOT_SERVED}") from error
        logger.info("created", extra={"rollout": str(key), "child": _name(wanted)})
        return made

    def _tell(self, rollout: Manifest, wanted: Manifest, live: Manifest) -> None:
        """Write a child's status, over the very state of it that was looked at."""
        kind, key = kind_of(wanted), key_of(rollout)
        path = kind.path(key.namespace, metadata(live)["name"]) + "/status"
        body = {"metadata": {"resourceVersion": metadata(live)["resourceVersion"]}, "status": wanted["status"]}
        self._write(kind, key, "PATCH", path, query=_MANAGED, body=body, content_type=_MERGE)

    def _correct(self, rollout: Manifest, wanted: Manifest, live: Manifest) -> Manifest:
        if terminating(live):
            raise ConflictError(f"{_name(wanted)} is still being deleted")
        # The uid makes sure that what we write over is what we looked at.
        with _the_same_object(live):
            made = self._patch(rollout, _with_uid(wanted, metadata(live)["uid"]), force=True)
            if strange := strange_fields(wanted, live):
                self._take_out(rollout, live, strange)
        return made

    def _take_out(self, rollout: Manifest, live: Manifest, fields: Iterable[str]) -> None:
        """Of a spec that is ours alone what others have added: to apply a manifest without it leaves it there."""
        kind, key = kind_of(live), key_of(rollout)
        body = {"metadata": {"uid": metadata(live)["uid"]}, "spec": dict.fromkeys(fields)}
        path, query = kind.path(key.namespace, metadata(live)["name"]), {"fieldManager": FIELD_MANAGER}
        self._write(kind, key, "PATCH", path, query=query, body=body, content_type=_MERGE)

    def _patch(self, rollout: Manifest, wanted: Manifest, *, force: bool) -> Manifest:
        key = key_of(rollout)
        _check_belongs(rollout, wanted)
        kind = kind_of(wanted)
        made = self._write(
            kind,
            key,
            "PATCH",
            kind.path(key.namespace, metadata(wanted)["name"]),
            query={"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"},
            body=wanted,
            content_type=_APPLY,
        )
        logger.info("applied", extra={"rollout": str(key), "child": _name(wanted)})
        return made

    def edits(self, wanted: Iterable[Manifest], children: Children) -> tuple[OutsideEdit, ...]:
        """What others have changed of children that are wanted otherwise, and their routes to them. Asks nobody."""
        return (*edits_of((child, children.find(*child_id(child))) for child in wanted), *children.observation.calls)

    def unwanted(self, wanted: Iterable[Manifest], keep: Container[str], children: Children) -> tuple[Manifest, ...]:
        """Our children that may go now: not wanted, and their name is not in ``keep``.

        Deployments go first, and budgets. What a revision's pods may still need (their Service, their record) goes once
        none of those pods is left, so it may take another reconcile.
        """
        candidates = (child for child in children.live if metadata(child)["name"] not in keep)
        return tuple(_unwanted(candidates, {child_id(item) for item in wanted}, children.observation))

    def scale_to_zero(self, rollout: Manifest, child: Manifest) -> None:
        """Take all pods from the very Deployment that was looked at; no error if it is gone.

        A merge patch of the one field: what else there is to apply may not be known any more.
        """
        key, target = key_of(rollout), metadata(child)
        body = {"metadata": {"uid": target["uid"]}, "spec": {"replicas": 0}}
        kind, query = kind_of(child), {"fieldManager": FIELD_MANAGER}
        path = kind.path(key.namespace, target["name"])
        try:
            with _the_same_object(child):
                self._write(kind, key, "PATCH", path, query=query, body=body, content_type=_MERGE)
        except NotFoundError:
            return
        logger.info("emptied", extra={"rollout": str(key), "child": _name(child)})

    def delete(self, rollout: Manifest, child: Manifest) -> None:
        """Delete the very child that was looked at, and its dependents in the background."""
        kind, key = kind_of(child), key_of(rollout)
        path = kind.path(key.namespace, metadata(child)["name"])
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": metadata(child)["uid"]},
        }
        try:
            self._write(kind, key, "DELETE", path, body=options)
        except NotFoundError:
            return
        logger.info("pruned", extra={"rollout": str(key), "child": _name(child)})

    def let_serve(self, rollout: Manifest, pod: Manifest) -> None:
        """Open the readiness gate of a pod that stands by; no error if it is gone."""
        key = key_of(rollout)
        path = POD.path(key.namespace, metadata(pod)["name"])
        body = {"status": {"conditions": [{"type": SERVING, "status": "True", "reason": "WantedBack"}]}}
        query = {"fieldManager": FIELD_MANAGER}
        try:
            self._write(POD, key, "PATCH", f"{path}/status", query=query, body=body, content_type=_STRATEGIC)
        except NotFoundError:
            return
        logger.info("let serve", extra={"rollout": str(key), "child": _name(pod)})

    def record(self, rollout: Manifest, note: EventNote, now: datetime) -> None:
        """Say something as a Kubernetes Event. It is a courtesy: a failure is logged and nothing else."""
        try:
            self._record(rollout, note, now)
        except ClusterError as error:
            logger.warning("event not recorded", extra={"rollout": str(key_of(rollout)), "error": str(error)})

    def _record(self, rollout: Manifest, note: EventNote, now: datetime) -> None:
        namespace = key_of(rollout).namespace
        try:
            self._api.request("POST", EVENT.path(namespace), body=notes.event(rollout, note, self._instance, now))
        except ConflictError:
            path = EVENT.path(namespace, notes.event_name(rollout, note))
            body = notes.repeated(self._api.request("GET", path), now)
            self._api.request("PATCH", path, body=body, content_type=_MERGE)

    def _list(self, kind: Kind, rollout: Manifest) -> list[Manifest]:
        key = key_of(rollout)
        found = self._mirror.of(kind, key)
        if found is None:
            selector = {"labelSelector": f"{LABEL_ROLLOUT}={key.name}"}
            found, version = snapshot(self._api, kind.path(key.namespace), selector)
            self._mirror.renew(kind, key, found, version)
        # Items of a list do not carry their kind.
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in found]

    def _write(self, kind: Kind, key: RolloutKey, method: str, path: str, **more: Any) -> Manifest:
        """A write of ours. A deletion may have to wait for somebody: its answer does not say what is left."""
        try:
            answer = self._api.request(method, path, **more)
        except BaseException:
            self._mirror.doubt(kind, key)
            raise
        if method == "DELETE":
            self._mirror.doubt(kind, key)
        else:
            self._mirror.wrote(kind, key, answer)
        return answer


def _unwanted(candidates: Iterable[Manifest], wanted: set[ChildId], seen: Observation) -> Iterator[Manifest]:
    """What may go now, in PRUNE_ORDER."""
    inhabited = {(pod.pool, pod.revision) for pod in seen.pods} | {(w.pool, w.revision) for w in seen.workloads}
    for child in candidates:
        if child_id(child) in wanted or terminating(child):
            continue
        if kind_of(child) in (DEPLOYMENT, DISRUPTION_BUDGET) or _pool_revision(child) not in inhabited:
            yield child


def _check_belongs(rollout: Manifest, wanted: Manifest) -> None:
    """The last line of defence: nothing leaves the namespace, and everything is found and cleaned up again."""
    key = key_of(rollout)
    if metadata(wanted).get("namespace", key.namespace) != key.namespace:
        raise ValueError(f"{_name(wanted)} is meant for another namespace")
    if labels(wanted).get(LABEL_ROLLOUT) != key.name or not controlled_by(wanted, metadata(rollout)["uid"]):
        raise ValueError(f"{_name(wanted)} lacks our label or the owner reference")


def _pool_revision(child: Manifest) -> tuple[str, str]:
    return labels(child).get(LABEL_POOL, ""), labels(child).get(LABEL_REVISION, "")


@contextmanager
def _the_same_object(live: Manifest) -> Iterator[None]:
    """A write that names the uid of what was looked at: an API server calls another object's a field that is fixed."""
    try:
        yield
    except RefusedError as error:
        if "metadata.uid" not in str(error):
            raise
        raise ConflictError(f"{_name(live)} is another object than the one looked at") from error


def _with_uid(wanted: Manifest, uid: str) -> Manifest:
    return {**wanted, "metadata": {**metadata(wanted), "uid": uid}}


def _name(obj: Manifest) -> str:
    return "/".join(child_id(obj))
