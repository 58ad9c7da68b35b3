"""What the administrator lets authors choose, within what the closed pod template has (R25).

By default everything, but for claims that are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BaseModel, Field

from sampler_rollouts.domain import platforms
from sampler_rollouts.domain.compile_cache import CompileCache
from sampler_rollouts.domain.pool import Pool
from sampler_rollouts.domain.resource import Spec
from sampler_rollouts.domain.settings import SETTINGS

MOST: Final = 256
Text = Annotated[str, Field(min_length=1, max_length=512)]
Texts = Annotated[tuple[Text, ...], Field(max_length=MOST)]


class Allowed(BaseModel):
    """Lists that are absent allow everything, but for claims that are written; empty ones nothing."""

    model_config = SETTINGS

    images: Texts | None = None
    """Repositories, or paths that hold them: ``registry.example.com/samplers``."""
    image_tags: bool = True
    """Whether ``allowImageTags`` may be set."""
    env: Texts | None = None
    """Names of variables; one that ends with ``*`` allows all that begin so."""
    args: bool = True
    """Whether the image's arguments may be replaced."""
    resources: Texts | None = None
    """Names of resources: ``cpu``, ``memory``, ``vendor.example/device``; those that a platform asks for count too."""
    node_selector: Texts | None = None
    """Keys of labels of nodes; one that ends with ``*`` allows all that begin so."""
    tolerations: Texts | None = None
    """Keys of taints, likewise."""
    pull_secrets: Texts | None = None
    """Names of Secrets by which images are pulled, likewise."""
    models: Texts | None = None
    """Names of claims that hold models, likewise."""
    compile_caches: Texts = ()
    """Names of claims in which servers keep compiled programs, likewise. They are written: no other is allowed."""

    def problems(self, spec: Spec) -> tuple[str, ...]:
        """Each field that goes beyond it, with what is allowed instead."""
        tags = ["spec.allowImageTags: the administrator allows no tags: name images by digest"]
        found = [] if self.image_tags or not spec.allow_image_tags else tags
        image = spec.probe_image
        if image and self.images is not None and not any(_within(image, one) for one in self.images):
            found = [*found, f"spec.quality.probes.image: the administrator allows images of {_named(self.images)}"]
        return (*found, *(one for number, pool in enumerate(spec.pools) for one in self._of_pool(pool, number)))

    def _of_pool(self, pool: Pool, number: int) -> Iterator[str]:
        where, template = f"spec.pools[{number}]", pool.template
        if self.images is not None and not any(_within(pool.image, one) for one in self.images):
            yield f"{where}.image: the administrator allows images of {_named(self.images)}"
        for field, allowed, names in (
            ("env[{}].name", self.env, [item.name for item in template.env]),
            ("nodeSelector", self.node_selector, list(template.node_selector)),
            ("tolerations[{}].key", self.tolerations, [item.key for item in template.tolerations]),
            ("pullSecrets[{}]", self.pull_secrets, template.pull_secrets),
            ("models.claimName", self.models, [template.models.claim_name] if template.models else []),
        ):
            for place, name in enumerate(names):
                if allowed is not None and not any(_like(name, one) for one in allowed):
                    yield f"{where}.template.{field.format(place)}: the administrator allows {_named(allowed)}"
        yield from self._of_cache(template.compile_cache, f"{where}.template.compileCache.claimName")
        if template.models and self.models is None and self._is_cache(template.models.claim_name):
            yield f"{where}.template.models.claimName: the administrator keeps compiled programs of all revisions in it"
        if template.args and not self.args:
            yield f"{where}.template.args: the administrator allows none: leave them out"
        asked = {name for amounts in platforms.resources(pool).values() for name in amounts}
        if self.resources is not None and not asked <= set(self.resources):
            yield f"{where}.template.resources: the administrator allows {_named(self.resources)}"

    def _is_cache(self, claim: str) -> bool:
        return any(_like(claim, one) for one in self.compile_caches)

    def _of_cache(self, cache: CompileCache | None, where: str) -> Iterator[str]:
        claim = cache.claim_name if cache else None
        if claim is not None and not self._is_cache(claim):
            none = "no claim to be written: use sizeLimit, or have authors.compileCaches name it"
            yield f"{where}: the administrator allows {', '.join(self.compile_caches) or none}"


BY_DEFAULT: Final = Allowed()


def _within(image: str, allowed: str) -> bool:
    """Whether the image's repository is the allowed one, or lies below it: never only a name that begins alike."""
    rest = image.removeprefix(allowed.rstrip("/"))
    return rest != image and rest[:1] in {"/", "@", ":"}


def _like(name: str, allowed: str) -> bool:
    return name.startswith(allowed[:-1]) if allowed.endswith("*") else name == allowed


def _named(allowed: tuple[str, ...]) -> str:
    return ", ".join(allowed) or "nothing"
