"""The SamplerRollout of all releases, but for their images; and somebody else's route."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from quality_contract import CLASS_HEADER

from local.demo.ask import LONG, STANDARD
from local.demo.manifests import NAMESPACE, render
from local.gateway.install import Edge

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "incidents-rollout.yaml"
STRANGER: Final = "load-balancer-change"


def release(image: str, model: str, edge: Edge, misroutes: int = 0) -> dict[str, Any]:
    """The example with an image in every pool, behind the cluster's own Gateway.

    ``misroutes`` percent of the requests that say they are short go to the long pool, by the release's own route table.
    """
    made = render(EXAMPLE, image, model)
    made["spec"]["routing"]["gateway"] = {"parentRefs": [{"name": edge.name, "namespace": edge.namespace}]}
    if misroutes:
        made["spec"]["routing"]["routes"] = [_table(misroutes)]
    return made


def _table(misroutes: int) -> dict[str, Any]:
    shares = {STANDARD: 100 - misroutes, LONG: misroutes}
    return {"contextClass": STANDARD, "to": [{"pool": name, "share": f"{share}%"} for name, share in shares.items()]}


def strangers_route(edge: Edge, services: dict[str, str], percent: int) -> dict[str, Any]:
    """A route that nobody told the operator of: a more exact path than ours, so that it is the one that counts.

    ``services`` is the Service of each pool; ``percent`` of the requests that say they are short go to the long one.
    """
    shares = ((services[STANDARD], 100 - percent), (services[LONG], percent))
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": STRANGER, "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"name": edge.name, "namespace": edge.namespace}],
            "rules": [
                {
                    "matches": [
                        {
                            "path": {"type": "PathPrefix", "value": "/v1"},
                            "headers": [{"name": CLASS_HEADER, "value": STANDARD}],
                        }
                    ],
                    "timeouts": {"request": "0s"},  # a long answer is waited for
                    "backendRefs": [{"name": name, "port": 80, "weight": weight} for name, weight in shares],
                }
            ],
        },
    }
