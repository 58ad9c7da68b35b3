"""The report's drawings, each from a recording."""

from __future__ import annotations

from samplerctl.drawing import panels
from samplerctl.drawing.panels import WIDE, Line, Moment
from samplerctl.drawing.scales import clock, nice_ticks, time_ticks
from samplerctl.drawing.svg import Plot

from local.demo.recording import Recording, ReleaseRecord, StatusPoint


def traffic(recording: Recording) -> str:
    """Answers a second by the release that gave them, stacked, over the whole story."""
    buckets = [b for b in recording.buckets if b.by_release or b.failed]
    if not buckets:
        return ""
    start = buckets[0].at
    span = buckets[-1].at + buckets[-1].seconds - start
    names = [str(r.number) for r in recording.releases]
    highest = max(sum(b.by_release.values()) / b.seconds for b in buckets)
    plot = Plot(WIDE, 250, x=(0, span), y=(0, highest * 1.12), title="Answers a second, by release", top=34)
    plot.grid(time_ticks(span, 12), nice_ticks(0, highest, 4), clock, lambda v: f"{v:g}")
    plot.caption("answers a second, by the release that gave them")
    middles = [b.at + b.seconds / 2 - start for b in buckets]
    lower = [0.0] * len(buckets)
    for name in names:
        upper = [low + b.by_release.get(name, 0) / b.seconds for low, b in zip(lower, buckets, strict=True)]
        if upper != lower:
            ends = list(zip(middles, upper, strict=True)), list(zip(middles, lower, strict=True))
            plot.area(*ends, f"area release-{name}", f"release {name}")
        lower = upper
    for release in recording.releases:
        if start <= release.applied_at:
            plot.upright(release.applied_at - start, "moment", f"release {release.number} applied")
    for bucket in buckets:
        if bucket.failed:
            plot.dot(bucket.at - start, 0, "dot failed", f"{bucket.failed} failed requests")
    return plot.render()


def weights(release: ReleaseRecord) -> str:
    """The candidate's weight over time: what the operator wanted and what the traffic showed."""
    origin, span = stretch(release)
    shown = {
        pool: [(s.at - origin, *weight_of(release, s, pool)) for s in release.statuses] for pool in pools_of(release)
    }
    wanted = [Line(i, [(at, value) for at, value, _ in points]) for i, points in enumerate(shown.values())]
    observed = [Line(i, [(at, value) for at, _, value in points]) for i, points in enumerate(shown.values())]
    return panels.weights(
        f"Weights of release {release.number}",
        f"weight of release {release.number}: as wanted (dotted), and its share of the ready pods",
        wanted,
        observed,
        span=span,
        clock=clock,
        moments=moments(release),
    )


def weight_of(release: ReleaseRecord, status: StatusPoint, pool: str) -> tuple[float, float]:
    """The release's wanted and observed weight in a pool. Without a candidate the status shows stable's."""
    if status.candidate == release.revisions and status.generation >= status.observed_generation:
        point = next((p for p in status.pools if p.name == pool), None)
        return (point.wanted, point.observed) if point else (0.0, 0.0)
    whole = 100.0 if status.stable == release.revisions else 0.0
    return whole, whole


def pools_of(release: ReleaseRecord) -> list[str]:
    """The pools, in the order in which they get their colours."""
    named = {p.name for s in release.statuses for p in s.pools} | {p.pool for p in release.evidence}
    return sorted(named | set(release.revisions))


def checks_of(release: ReleaseRecord) -> list[str]:
    """The checks that were looked at, in the same order for every release."""
    return sorted({p.check for p in release.evidence})


def stretch(release: ReleaseRecord) -> tuple[float, float]:
    """When the turn began, and how long it took."""
    return release.applied_at, max(1.0, release.ended_at - release.applied_at)


def moments(release: ReleaseRecord) -> list[Moment]:
    """The release's first answer and the decision, in seconds since the apply."""
    bad = release.outcome == "rolled back"
    decided = "passed" if release.outcome == "promoted" else release.outcome
    found = [
        (release.first_candidate_at, "moment", "first answer"),
        (release.decision_shown_at, "verdict-bad" if bad else "verdict-good", decided),
    ]
    return [
        Moment(at - release.applied_at, kind, text, before=kind == "moment")
        for at, kind, text in found
        if at is not None
    ]
