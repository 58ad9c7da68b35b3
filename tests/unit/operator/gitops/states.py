"""A SamplerRollout in every state, as the decision itself makes it, and what GitOps tools are to say of each."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass

from tests.unit.operator.domain.story import holding, rolling
from tests.unit.operator.domain.world import World, established, spec
from tests.unit.operator.gitops import makings
from tests.unit.operator.gitops.makings import Object, rollout_object


@dataclass(frozen=True, slots=True)
class State:
    """One state: how it comes about, its headline (type and reason), and the verdicts of kstatus and Argo CD."""

    said: str
    make: Callable[[], World | Object]
    headline: str
    kstatus: str
    argo: str

    def made(self) -> World | Object:
        """A world in this state, or only an object of which nobody decides. The caller's own."""
        return copy.deepcopy(_made(self))

    def object(self) -> Object:
        """What the API server has."""
        made = self.made()
        return rollout_object(made) if isinstance(made, World) else made


@functools.cache
def _made(state: State) -> World | Object:
    return state.make()


WORKS, FAILED, DONE = "InProgress", "Failed", "Current"
STATES = {
    "applied": State("applied, the operator has not seen it", lambda: World(spec()), "", WORKS, "Progressing"),
    "establishing": State(
        "the first release starts", makings.starting, "Reconciling Establishing", WORKS, "Progressing"
    ),
    "first-fails": State(
        "the first release is never ready", makings.never_ready, "Stalled FirstReleaseFailed", FAILED, "Degraded"
    ),
    "first-cannot-start": State(
        "the first release's pods cannot start", makings.cannot_start, "Stalled PodsNotStarted", FAILED, "Degraded"
    ),
    "paused-first": State(
        "paused before anything started",
        lambda: makings.starting(paused=True),
        "Reconciling Paused",
        WORKS,
        "Suspended",
    ),
    "baking": State("serves, in its bake time", established, "Ready FullTraffic", DONE, "Healthy"),
    "promoted": State("a new release serves, in its bake time", makings.promoted, "Ready FullTraffic", DONE, "Healthy"),
    "verified": State("serves, verified", makings.verified, "Ready FullTraffic", DONE, "Healthy"),
    "edited": State("a new release, not yet seen", makings.edited, "Ready FullTraffic", WORKS, "Progressing"),
    "invalid": State("a spec that breaks a rule", makings.invalid, "Stalled InvalidSpec", FAILED, "Degraded"),
    "progressing": State("a candidate at its step", rolling, "Reconciling Progressing", WORKS, "Progressing"),
    "waiting": State("a step `pause: {}`", makings.waiting, "Reconciling WaitingForPerson", WORKS, "Suspended"),
    "paused": State("`spec.paused` in mid-rollout", makings.paused_midway, "Reconciling Paused", WORKS, "Suspended"),
    "paused-by-act": State("paused by a person's act", makings.paused_by_act, "Reconciling Paused", WORKS, "Suspended"),
    "suspect": State(
        "a candidate whose build failed elsewhere",
        makings.suspect_candidate,
        "Reconciling Progressing",
        WORKS,
        "Suspended",
    ),
    "suspect-serves": State(
        "serves; its build failed elsewhere", makings.suspect_stable, "Ready FullTraffic", DONE, "Healthy"
    ),
    "blind": State("the metrics source is away", makings.blind, "Reconciling Progressing", WORKS, "Progressing"),
    "holding": State("no verdict at the deadline, `Hold`", holding, "Stalled DeadlineExceeded", FAILED, "Degraded"),
    "shared": State(
        "a check got worse in both releases, `Hold`",
        makings.shared_fault,
        "Stalled SharedDegradation",
        FAILED,
        "Degraded",
    ),
    "no-pods": State(
        "the candidate's pods cannot start", makings.no_pods, "Stalled PodsNotStarted", FAILED, "Degraded"
    ),
    "rolling-back": State(
        "a check failed, the candidate leaves", makings.rolling_back, "Reconciling RollingBack", WORKS, "Progressing"
    ),
    "rolled-back": State("rolled back", makings.rolled_back, "Stalled RolledBack", FAILED, "Degraded"),
    "aborted": State("rolled back by a person", makings.aborted, "Stalled RolledBack", FAILED, "Degraded"),
    "reverted": State("rolled back, then reverted in Git", makings.reverted, "Ready FullTraffic", DONE, "Healthy"),
    "withdrawing": State(
        "another release asked for", makings.withdrawing, "Reconciling Withdrawing", WORKS, "Progressing"
    ),
    "restoring": State(
        "the replaced release comes back", makings.restoring, "Reconciling Restoring", WORKS, "Progressing"
    ),
    "not-well": State(
        "a check fails in the first release", makings.not_well, "Stalled FirstReleaseFailed", FAILED, "Degraded"
    ),
    "retesting": State("it is tested anew", makings.retesting, "Reconciling Retesting", WORKS, "Progressing"),
    "stable-away": State(
        "rolled back, but stable does not come up",
        lambda: makings.stuck(True),
        "Stalled RolledBack",
        FAILED,
        "Degraded",
    ),
    "stable-away-withdrawn": State(
        "withdrawn, but stable does not come up",
        lambda: makings.stuck(False),
        "Stalled StableNotReady",
        FAILED,
        "Degraded",
    ),
    "pods-not-gone": State("pods that do not go", makings.immovable, "Stalled PodsNotGone", FAILED, "Degraded"),
    "left-over": State(
        "serves; an empty Deployment cannot be deleted", makings.left_over, "Ready FullTraffic", DONE, "Degraded"
    ),
    "service-missing": State(
        "the Service that users call is gone", makings.service_gone, "Reconciling ServiceMissing", WORKS, "Progressing"
    ),
    "service-refused": State(
        "the cluster refuses that Service", makings.service_refused, "Stalled ServiceRefused", FAILED, "Degraded"
    ),
    "route-missing": State(
        "the route that users come by is gone", makings.route_gone, "Reconciling RouteMissing", WORKS, "Progressing"
    ),
    "route-refused": State(
        "the cluster refuses the route", makings.route_refused, "Stalled RouteRefused", FAILED, "Degraded"
    ),
    "route-not-accepted": State(
        "the Gateway does not accept the route",
        makings.route_not_accepted,
        "Stalled RouteNotAccepted",
        FAILED,
        "Degraded",
    ),
    "route-not-taken-over": State(
        "the Gateway does not take the route over",
        makings.route_not_taken_over,
        "Stalled RouteNotTakenOver",
        FAILED,
        "Degraded",
    ),
    "unexamined": State(
        "no result of the preflight in its time, `Hold`",
        makings.unexamined,
        "Stalled PreflightUnavailable",
        FAILED,
        "Degraded",
    ),
    "status-lost": State(
        "status wiped in mid-rollout, and nothing says which was stable",
        makings.lost,
        "Stalled StatusLost",
        FAILED,
        "Degraded",
    ),
    "pool-away": State(
        "no pod of a pool is ready",
        lambda: makings.pods_away(makings.all_of_a_pool),
        "Stalled PodsNotReady",
        FAILED,
        "Degraded",
    ),
    "pod-away": State(
        "some pods are not ready", lambda: makings.pods_away(makings.one), "Ready FullTraffic", DONE, "Degraded"
    ),
    "deleted": State("being deleted", makings.deleted, "Ready FullTraffic", "Terminating", "Progressing"),
}
HEADLINES = frozenset(state.headline for state in STATES.values())
