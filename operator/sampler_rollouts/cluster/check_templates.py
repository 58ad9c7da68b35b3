"""The admin's ClusterCheckTemplates: read one by one, as they are named, and never listed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from sampler_rollouts.cluster.errors import DeniedError, NotFoundError
from sampler_rollouts.cluster.kinds import Kind
from sampler_rollouts.cluster.transport import Api
from sampler_rollouts.domain.check_template import KIND, PLURAL, CheckTemplate, read_template
from sampler_rollouts.domain.pool import LABEL_PATTERN

CHECK_TEMPLATE: Final = Kind("samplerrollouts.io/v1alpha1", KIND, PLURAL)


def templates_of(api: Api, names: Iterable[str]) -> dict[str, CheckTemplate]:
    """Those of these names, as far as they are there and may be read; any other error is raised."""
    found = {name: _template(api, name) for name in names}
    return {name: one for name, one in found.items() if one is not None}


def _template(api: Api, name: str) -> CheckTemplate | None:
    if not re.fullmatch(LABEL_PATTERN, name):  # nothing else becomes part of an address
        return None
    try:
        return read_template(api.request("GET", f"{CHECK_TEMPLATE.everywhere()}/{name}").get("spec"))
    except (NotFoundError, DeniedError):
        return None
