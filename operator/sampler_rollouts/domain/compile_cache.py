"""Where a server keeps the programs that it compiles: a folder of a claim, or a volume of the pod's own.

A program that is loaded is code that runs. So a folder of a claim is one revision's alone: a candidate that loaded what
stable has compiled would be tried with stable's programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from sampler_rollouts.domain.quantities import quantity
from sampler_rollouts.domain.rules import Rule, Scalar, Strict
from sampler_rollouts.domain.scalars import ObjectName, Quantity, cel_amount

NAME: Final = "compile-cache"
PATH: Final = "/compile-cache"
VARIABLE: Final = "SAMPLER_COMPILE_CACHE"
"""By which the server is told the path."""
_LEAST: Final = "1Mi"


class CompileCache(Strict):
    """A place for compiled programs, mounted at /compile-cache: one of the two."""

    claim_name: ObjectName | None = Field(
        None,
        description="A PersistentVolumeClaim of the namespace, which the administrator allows; "
        "each revision of the pool has a folder of its own there.",
    )
    size_limit: (
        Annotated[
            Quantity,
            Scalar(
                f"{cel_amount('self')}.compareTo(quantity('{_LEAST}')) >= 0",
                f"must be an amount of bytes of at least {_LEAST}, such as 512Mi: a pod that needs more is evicted",
                lambda amount: quantity(amount) >= quantity(_LEAST),
            ),
        ]
        | None
    ) = Field(None, description="Of a volume of the pod's own, which outlasts its container.")
    rules: ClassVar = (
        Rule(
            "has(self.claimName) != has(self.sizeLimit)",
            "compileCache has either claimName, for what outlasts a pod, or sizeLimit, for a volume of each pod's own: "
            "give one of them",
            lambda cache: (cache.claim_name is None) != (cache.size_limit is None),
        ),
    )

    def volume(self) -> dict[str, Any]:
        """The pod's volume."""
        if self.claim_name is not None:
            return {"name": NAME, "persistentVolumeClaim": {"claimName": self.claim_name}}
        return {"name": NAME, "emptyDir": {"sizeLimit": self.size_limit}}

    def mount(self, whose: str) -> dict[str, Any]:
        """The container's mount of it; of a claim no more than the folder of the revision's own, ``whose``."""
        return {"name": NAME, "mountPath": PATH, **({"subPath": whose} if self.claim_name is not None else {})}


def read_volume(volume: Mapping[str, Any]) -> dict[str, Any]:
    """The raw CompileCache that would have given this volume; KeyError and the like where it is of another kind."""
    if "persistentVolumeClaim" in volume:
        return {"claimName": volume["persistentVolumeClaim"]["claimName"]}
    return {"sizeLimit": volume["emptyDir"]["sizeLimit"]}
