"""One pod of a build that was taken back before its answers to users showed why: asked apart from them, to be shown.

No Service and no scrape knows it: it changes no traffic, no counter and no verdict.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from local.anycluster import AnyCluster
from local.demo.answers import Answer
from local.demo.api import Api
from local.demo.ask import Ask, AskSource
from local.demo.load import LoadGenerator
from local.demo.manifests import NAME, NAMESPACE
from local.demo.prompts import load_prompts
from local.demo.view import is_ready
from local.demo.waiting import until
from local.errors import LocalError

POD: Final = "witness"
READY: Final = 180
ASKS: Final = 24
AT_ONCE: Final = 4
"""As many as a batch has rows: what a build gets wrong may depend on it."""


def questions(seed: int) -> list[Ask]:
    """The load generator's own, all with top-k, which half of its requests have."""
    source = AskSource(load_prompts(), max_tokens=12, top_k=40, top_k_share=1.0, rng=random.Random(seed))
    return [source.next() for _ in range(ASKS)]


def heard(cluster: AnyCluster, api: Api, pool: str, serving: str, image: str, asks: Sequence[Ask]) -> list[Answer]:
    """What a pod of the image says, in a server like those of the pool's ``serving`` revision.

    Raises LocalError if it does not start, httpx.HTTPError if it gives no answer.
    """
    deployment = api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}-{pool}-{serving}")
    with _running(cluster, api, manifest(deployment, image)) as url, ThreadPoolExecutor(AT_ONCE) as threads:
        server = LoadGenerator(url, model=_model(deployment), workers=AT_ONCE)
        return list(threads.map(server.ask_once, asks))


def manifest(deployment: dict[str, Any], image: str) -> dict[str, Any]:
    """The Deployment's pod with another image and none of its labels."""
    spec = deployment["spec"]["template"]["spec"]
    (server,) = spec["containers"]
    changed = {**spec, "containers": [{**server, "image": image}], "restartPolicy": "Never"}
    metadata = {"name": POD, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/name": POD}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": changed}


def _model(deployment: dict[str, Any]) -> str:
    (server,) = deployment["spec"]["template"]["spec"]["containers"]
    return next(str(one["value"]) for one in server["env"] if one["name"] == "SAMPLER_MODEL")


@contextmanager
def _running(cluster: AnyCluster, api: Api, pod: dict[str, Any]) -> Iterator[str]:
    def seen() -> dict[str, Any] | None:
        return next((one for one in api.pods(NAMESPACE, f"app.kubernetes.io/name={POD}") if is_ready(one)), None)

    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    try:
        if not until("the witness to be ready", lambda: seen() is not None, READY):
            raise LocalError(f"a pod of {pod['spec']['containers'][0]['image']} was not ready within {READY} s")
        found = seen()
        if found is None:
            raise LocalError("the witness left while it was asked")
        yield api.pod_url(found, 8000)
    finally:
        cluster.kubectl("delete", "pod", POD, "-n", NAMESPACE, "--ignore-not-found", "--grace-period=1")
