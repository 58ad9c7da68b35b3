"""What differs between two releases, in words (R21). Names and images only: an environment's values may be secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sampler_rollouts.domain import limits, render
from sampler_rollouts.domain.decision.context import revision_in
from sampler_rollouts.domain.placement import read_placement
from sampler_rollouts.domain.pool import STANDARD
from sampler_rollouts.domain.release import revision
from sampler_rollouts.domain.tables import tables_in_words

if TYPE_CHECKING:
    from sampler_rollouts.domain.decision.context import Turn
    from sampler_rollouts.domain.plan import Release

SHORT_DIGEST: Final = 12
_SETTINGS: Final = {
    "SAMPLER_PRECISION": "precision",
    "SAMPLER_VOCAB_SHARDS": "vocabulary shards",
    "SAMPLER_AUDIT_SHARE": "audit share",
    "SAMPLER_CONTEXT_CLASS": "context class",
    "SAMPLER_CONTEXT_CLASSES": "context classes",
    "SAMPLER_BEHIND_GATEWAY": "behind a gateway",
}
_UNSAID: Final = {"SAMPLER_VOCAB_SHARDS": "1", "SAMPLER_BEHIND_GATEWAY": "false"}
"""What a variable means that a pod is told only if it says more."""
_OF_THE_SAMPLER: Final = ("SAMPLER_PRECISION", "SAMPLER_VOCAB_SHARDS")
_NOT_OF_THE_RELEASE: Final = frozenset({"SAMPLER_REVISION", "SAMPLER_DRAIN_TIMEOUT"})


def template_of(turn: Turn, child: render.Child) -> Mapping[str, Any] | None:
    """The recorded template, else one rendered from the spec if that still says the same revision, else None."""
    recorded = turn.seen.templates.get(child.key)
    if recorded is not None:
        return recorded
    pool = turn.wish.spec.pool(child.pool) if turn.wish else None
    if turn.wish is None or pool is None or revision(turn.wish.spec, pool) != child.revision:
        return None
    return render.pod_template(turn.meta.owner, turn.wish.spec, pool, child)


def class_names(turn: Turn, children: Sequence[render.Child]) -> list[str]:
    """The context classes that revisions serve. Of one whose record is lost, the class that the spec gives its pool."""
    return sorted({class_name(turn, child) for child in children})


def class_name(turn: Turn, child: render.Child) -> str:
    """The context class that a revision serves."""
    if (template := template_of(turn, child)) is not None:
        return render.class_of(template)
    pool = turn.wish.spec.pool(child.pool) if turn.wish else None
    return (pool.context_class if pool else None) or STANDARD


def uses(turn: Turn, release: Release) -> list[str]:
    """The images and sampler settings of a release, each in words that other rollouts use too (R23)."""
    found = [image_in_words(item.image) for item in release.pools if item.image]
    for item in release.pools:
        env = _environment(_container(template_of(turn, render.Child(item.name, item.revision))))
        found += [f"{_SETTINGS[name]} {env.get(name, _UNSAID.get(name))}" for name in _OF_THE_SAMPLER if env]
    return list(dict.fromkeys(limits.clip(one, limits.SUSPECT) for one in found))


def image_in_words(image: str) -> str:
    """An image as other rollouts name it too."""
    return limits.clip(f"image {image}", limits.SUSPECT)


def suspects(turn: Turn, old: Release, new: Release) -> list[str]:
    """What the new one uses and the old one does not."""
    known = set(uses(turn, old))
    return [one for one in uses(turn, new) if one not in known][: limits.SUSPECTS]


def changes(turn: Turn, old: Release, new: Release) -> list[str]:
    """What is different in ``new``, one phrase for each change, with the pools if it is not all that move."""
    where: dict[str, list[str]] = {}
    moved = [item.name for item in new.pools if old.revision(item.name) not in ("", item.revision)]
    for name in moved:
        for phrase in _pool_changes(turn, old, new, name):
            where.setdefault(phrase, []).append(name)
    phrases = [phrase if pools == moved else f"{phrase} (pool {', '.join(pools)})" for phrase, pools in where.items()]
    phrases += [f"pool {item.name} is new" for item in new.pools if not old.revision(item.name)]
    phrases += [f"pool {item.name} is removed" for item in old.pools if not new.revision(item.name)]
    phrases += [
        f"route table of class {name} changed from {tables_in_words(old.routes, name)} to "
        f"{tables_in_words(new.routes, name)}"
        for name in sorted({one.context_class for release in (old, new) for one in release.routes})
        if tables_in_words(old.routes, name) != tables_in_words(new.routes, name)
    ]
    return [limits.clip(phrase) for phrase in phrases[: limits.CHANGES]]


def _pool_changes(turn: Turn, old: Release, new: Release, name: str) -> Iterator[str]:
    before, after = _image(old, name), _image(new, name)
    if before != after:
        yield f"image changed from {short_image(before)} to {short_image(after)}"
    templates = [template_of(turn, render.Child(name, revision_in(release, name))) for release in (old, new)]
    found = list(_template_changes(*(_container(template) for template in templates))) if all(templates) else []
    found += _placement_changes(*map(_placement, templates)) if all(templates) else []
    yield from found
    if before == after and not found:
        yield "pod template changed"


def _template_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old_env, new_env = _environment(before), _environment(after)
    for name, label in _SETTINGS.items():
        was, now = (env.get(name, _UNSAID.get(name)) for env in (old_env, new_env))
        if was != now:
            yield f"{label} changed from {was} to {now}"
    for name in sorted((old_env.keys() | new_env.keys()) - _SETTINGS.keys() - _NOT_OF_THE_RELEASE):
        if old_env.get(name) != new_env.get(name):
            verb = "added" if name not in old_env else "removed" if name not in new_env else "changed"
            yield f"environment variable {name} {verb}"
    for field in ("args", "resources"):
        if before.get(field) != after.get(field):
            yield f"{field} changed"


def _placement_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [f"{name} changed" for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]


def _placement(template: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Where the pods run and what they mount; empty if the record holds something else."""
    try:
        return read_placement((template or {})["spec"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}


def _container(template: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The sampler's container; empty if the record holds something else."""
    try:
        container = (template or {})["spec"]["containers"][0]
    except (KeyError, IndexError, TypeError):
        return {}
    return container if isinstance(container, Mapping) else {}


def image_of(turn: Turn, child: render.Child) -> str:
    """The image of a revision as it was recorded; empty if that is lost."""
    image = _container(template_of(turn, child)).get("image", "")
    return image if isinstance(image, str) else ""


def _environment(container: Mapping[str, Any]) -> dict[str, Any]:
    listed = container.get("env") or []
    return {item["name"]: item.get("value") for item in listed if isinstance(item, Mapping) and "name" in item}


def _image(release: Release, pool: str) -> str:
    return next((item.image for item in release.pools if item.name == pool), "")


def short_image(image: str) -> str:
    """Name and the digest's first digits: ``sampler@sha256:3f2a9c0d1b7e…``."""
    name, _, digest = image.rpartition("/")[2].partition("@")
    return f"{name}@{digest[: len('sha256:') + SHORT_DIGEST]}…" if digest else name or "none"
