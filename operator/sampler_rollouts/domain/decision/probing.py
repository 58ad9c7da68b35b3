"""Whether synthetic probes are sent, to which pods, and by which image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quality_contract import PROBE_CHECKS

from sampler_rollouts.domain.decision.baking import serves
from sampler_rollouts.domain.decision.changes import image_of, template_of
from sampler_rollouts.domain.decision.context import begun, revision_in, untried
from sampler_rollouts.domain.decision.stages import TESTED
from sampler_rollouts.domain.render import Child
from sampler_rollouts.domain.render_probes import probe_service, prober

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.outcome import Manifest
    from sampler_rollouts.domain.plan import QualityPlan, Release


def probe_manifests(turn: Turn, plan: dict[Child, int]) -> tuple[Manifest, ...]:
    """The prober and its Services, while something is under test that is to be probed; otherwise nothing.

    The image is the spec's, or else that of the release under test. It and the Secrets that pull it are as they were
    recorded: what a stranger writes into status runs nowhere.
    """
    quality, own, others = _under_test(turn)
    own, others = ([child for child in some if plan.get(child)] for some in (own, others))
    source = next((child for child in own if image_of(turn, child)), None)
    image = _image(turn) or (image_of(turn, source) if source else "")
    if quality is None or not image or not _is_sent(quality.probes):
        return ()
    services = tuple(probe_service(turn.meta.owner, child) for child in (*own, *others))
    judge = any(check.name in PROBE_CHECKS for check in quality.checks)
    secrets = ((template_of(turn, source) or {})["spec"].get("imagePullSecrets") or ()) if source else ()
    return (*services, prober(turn.meta.owner, image, services, quality.probes, judge=judge, pull_secrets=secrets))


def _image(turn: Turn) -> str:
    """The spec's own, as it is now: it decides nothing, and of status it would have to be believed."""
    return (turn.wish.spec.probe_image or "") if turn.wish else ""


def _under_test(turn: Turn) -> tuple[QualityPlan | None, list[Child], list[Child]]:
    """The plan, the pods of the release under test, and those of stable beside it."""
    status, rollout, stable = turn.status, turn.status.rollout, turn.status.stable
    if rollout is not None and status.stage in TESTED and not untried(rollout):
        pools = begun(rollout)
        return rollout.quality, _children(status.candidate, pools), _children(stable, pools)
    bake = status.bake
    if serves(status) and bake and stable and bake.release == stable.hash:
        return bake.test or bake.watch, [Child(item.name, item.revision) for item in stable.pools], []
    return None, [], []


def _children(release: Release | None, pools: list[str]) -> list[Child]:
    return [Child(pool, revision) for pool in pools if (revision := revision_in(release, pool))]


def _is_sent(rate: str) -> bool:
    """Whether the plan's rate is a number above 0: a stranger may have written anything."""
    try:
        return 0 < float(rate) < 1000
    except ValueError:
        return False
