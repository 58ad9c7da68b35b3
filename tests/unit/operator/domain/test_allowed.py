"""What the administrator lets authors choose: beyond it a spec is as good as invalid, and what serves goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sampler_rollouts.domain.allowed import BY_DEFAULT, Allowed
from sampler_rollouts.domain.decision import ResourceMeta
from sampler_rollouts.domain.resource import parse_spec

from tests.unit.operator.domain.story import bad, rolling
from tests.unit.operator.domain.world import World, established, spec

TEMPLATE = {
    "env": [{"name": "MODEL_PATH", "value": "/m"}, {"name": "LOG_LEVEL"}],
    "args": ["serve"],
    "resources": {"requests": {"cpu": "1"}, "limits": {"vendor.example/device": 1}},
    "nodeSelector": {"example.com/team": "a"},
    "tolerations": [{"key": "example.com/team"}],
    "pullSecrets": ["registry"],
    "models": {"claimName": "smollm2"},
    "compileCache": {"sizeLimit": "1Gi"},
}


class Ruled(World):
    """A world whose administrator has an opinion."""

    allowed: Allowed = BY_DEFAULT

    @property
    def meta(self) -> ResourceMeta:
        return replace(super().meta, allowed=self.allowed)


def ruled(world: World, **allowed: Any) -> Ruled:
    world.__class__ = Ruled
    assert isinstance(world, Ruled)
    world.allowed = Allowed(**allowed)
    return world


def problems(allowed: Allowed, **more: Any) -> tuple[str, ...]:
    wanted = spec("a", pools=("cpu-a",))
    wanted["pools"][0] |= {"template": TEMPLATE} | more
    return allowed.problems(parse_spec(wanted))


def test_everything_by_default() -> None:
    assert problems(BY_DEFAULT) == ()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ((), "the administrator allows no claim to be written: use sizeLimit, or have authors.compileCaches name it"),
        (("caches-*",), "the administrator allows caches-*"),
        (("programs",), None),
        (("prog*",), None),
    ],
)
def test_a_claim_that_is_written_must_be_named(named: tuple[str, ...], said: str | None) -> None:
    """By default too: its volume may be a database's."""
    claimed = {"template": TEMPLATE | {"compileCache": {"claimName": "programs"}}}
    found = problems(Allowed(compile_caches=named), **claimed)
    assert found == ((f"spec.pools[0].template.compileCache.claimName: {said}",) if said else ())
    assert problems(BY_DEFAULT, **claimed) == problems(Allowed(compile_caches=()), **claimed)


def test_a_claim_of_compiled_programs_is_read_as_a_model_by_nobody() -> None:
    """It holds those of all revisions of all authors."""
    claimed = {"template": TEMPLATE | {"models": {"claimName": "programs"}}}
    (said,) = problems(Allowed(compile_caches=("prog*",)), **claimed)
    assert said.startswith("spec.pools[0].template.models.claimName: the administrator keeps compiled programs")
    assert problems(Allowed(compile_caches=("other",)), **claimed) == ()
    assert problems(Allowed(compile_caches=("prog*",), models=("programs",)), **claimed) == (), "he says so himself"


def test_the_probers_image_is_one_of_the_allowed_too() -> None:
    wanted = spec("a", pools=("cpu-a",))
    wanted["quality"]["probes"] = {"requestsPerSecond": "1", "image": "example.com/prober@sha256:" + "9" * 64}
    of_pools = Allowed(images=("registry.example.com",))
    (said,) = of_pools.problems(parse_spec(wanted))
    assert said == "spec.quality.probes.image: the administrator allows images of registry.example.com"
    assert Allowed(images=("registry.example.com", "example.com/prober")).problems(parse_spec(wanted)) == ()


@pytest.mark.parametrize(
    ("images", "holds"),
    [
        (["registry.example.com/sampler"], True),
        (["registry.example.com/"], True),
        (["registry.example.com"], True),
        (["other.example.com", "registry.example.com"], True),
        (["registry.example.com/samp"], False),
        (["registry.example.com/sampler/chat"], False),
        (["registry.example.co"], False),
        (["example.com/sampler"], False),
        ([], False),
    ],
)
def test_images_by_repository_or_path(images: list[str], holds: bool) -> None:
    assert (problems(Allowed(images=tuple(images))) == ()) is holds


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        ({"images": ("elsewhere.example.com",)}, "spec.pools[0].image: the administrator allows images of elsewhere"),
        ({"env": ("MODEL_*",)}, "spec.pools[0].template.env[1].name: the administrator allows MODEL_*"),
        ({"env": ()}, "spec.pools[0].template.env[0].name: the administrator allows nothing"),
        ({"args": False}, "spec.pools[0].template.args: the administrator allows none: leave them out"),
        ({"node_selector": ("b/*", "a")}, "spec.pools[0].template.nodeSelector: the administrator allows b/*, a"),
        ({"tolerations": ()}, "spec.pools[0].template.tolerations[0].key: the administrator allows nothing"),
        (
            {"pull_secrets": ("registry-*",)},
            "spec.pools[0].template.pullSecrets[0]: the administrator allows registry-*",
        ),
        ({"models": ()}, "spec.pools[0].template.models.claimName: the administrator allows nothing"),
        ({"resources": ("cpu",)}, "spec.pools[0].template.resources: the administrator allows cpu"),
    ],
)
def test_what_goes_beyond_is_named_with_what_is_allowed(allowed: dict[str, Any], said: str) -> None:
    assert problems(Allowed(**allowed))[0].startswith(said)


def test_tags() -> None:
    wanted = parse_spec(spec("a", allowImageTags=True))
    assert Allowed(image_tags=False).problems(wanted)[0].startswith("spec.allowImageTags: the administrator allows no")
    assert Allowed(image_tags=False).problems(parse_spec(spec("a"))) == ()


def test_what_is_allowed_is_allowed() -> None:
    exactly = Allowed(
        env=("MODEL_PATH", "LOG_*"),
        args=True,
        resources=("cpu", "vendor.example/device"),
        node_selector=("example.com/*",),
        tolerations=("example.com/team",),
        pull_secrets=("registry",),
        models=("smollm2",),
    )
    assert problems(exactly) == ()


def test_what_a_platform_asks_for_is_asked_for() -> None:
    """Nobody gets a GPU by not naming it."""
    allowed = Allowed(resources=("cpu", "vendor.example/device"))
    (said,) = problems(allowed, platform="gpu")
    assert said == "spec.pools[0].template.resources: the administrator allows cpu, vendor.example/device"
    assert problems(Allowed(resources=("cpu", "vendor.example/device", "nvidia.com/gpu")), platform="gpu") == ()


def test_a_spec_that_goes_beyond_starts_nothing_and_what_serves_goes_on() -> None:
    world = ruled(established(), images=("registry.example.com/sampler",), env=())
    wanted = spec("b")
    wanted["pools"][0]["template"] = TEMPLATE
    world.update(wanted)
    served = world.serving()
    world.run(60)
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "the administrator allows nothing" in world.message("Stalled")
    assert (world.status.candidate, world.serving()) == (None, served)


def test_a_candidate_that_is_no_longer_allowed_goes_no_further_and_can_still_fail() -> None:
    world = ruled(rolling(), images=())
    weight = world.status.rollout.weight  # type: ignore[union-attr]
    world.run(120)
    assert world.status.rollout.weight == weight  # type: ignore[union-attr]
    world.judge = bad(world.revision_of("candidate"))
    world.tick()
    assert world.status.stage == "RollingBack"
