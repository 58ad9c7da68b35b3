"""In which namespaces a failure is heeded, as the administrator's configuration says (R23)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from sampler_rollouts.domain.settings import SETTINGS

MOST: Final = 256
ALL: Final = "*"
_NAMED: Final = re.compile(r"\*|[a-z0-9][-a-z0-9]{0,62}\*?")


def _named(text: str) -> str:
    if not _NAMED.fullmatch(text):
        raise ValueError("must be a namespace's name, or the beginning of several names and a *, such as team-a-*")
    return text


def _list(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError('must be a list of namespaces, such as [serving, team-a-*], or ["*"] for all')
    return value


@dataclass(frozen=True, slots=True)
class Together:
    """Namespaces that heed each other: one alone, or those that are named so, as far as they are watched."""

    named: tuple[str, ...]
    watched: tuple[str, ...] = ()
    """Empty: all namespaces."""

    def __contains__(self, namespace: str) -> bool:
        return (not self.watched or namespace in self.watched) and any(_like(namespace, one) for one in self.named)

    @property
    def names(self) -> tuple[str, ...] | None:
        """All of them; None where only the cluster can say."""
        if self.watched:
            return tuple(one for one in self.watched if one in self)
        return None if any(one.endswith("*") for one in self.named) else tuple(dict.fromkeys(self.named))

    def among(self, namespaces: Collection[str]) -> frozenset[str]:
        """Those of them that are here."""
        return frozenset(one for one in namespaces if one in self)


class Suspects(BaseModel):
    """How far what failed in one SamplerRollout is suspect in others."""

    model_config = SETTINGS

    across_namespaces: Annotated[
        tuple[Annotated[str, AfterValidator(_named)], ...], Field(max_length=MOST), BeforeValidator(_list)
    ] = ()
    """Namespaces that heed each other: what fails in one is suspect in all, and stops there. One that ends with ``*``
    names all that begin so. Of any other, and by default of each, what fails is suspect in it alone."""

    def together(self, namespace: str, watched: Collection[str] = ()) -> Together:
        """Those that a namespace heeds, itself among them; each is heeded by all that it heeds."""
        every = Together(self.across_namespaces, tuple(watched))
        return every if namespace in every else Together((namespace,))


ALONE: Final = Suspects()
"""Each namespace by itself."""


def _like(name: str, named: str) -> bool:
    return name.startswith(named[:-1]) if named.endswith("*") else name == named
