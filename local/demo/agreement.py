"""One request, asked of every pool by itself: the same tokens, whatever hardware a pool has or emulates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx

from local.demo.api import Api
from local.demo.ask import PATHS, Ask, Reply
from local.demo.manifests import NAME, NAMESPACE
from local.demo.recording import Agreement, PoolAnswer
from local.demo.view import POOL_LABEL, REVISION_LABEL

ASK: Final = Ask(prompt="What do bees make in a hive?", seed=2025, temperature=0.7, top_p=0.99, max_tokens=24)
_METRICS_PORT: Final = 9090
_SHARDS = re.compile(r'^sampler_build_info\{.*\bvocab_shards="(\d+)"', re.MULTILINE)
_TIMEOUT: Final = 60.0


class OddAnswerError(Exception):
    """A pool's answer is not of the expected form."""


def ask_pools(api: Api, revisions: Mapping[str, str], model: str) -> Agreement:
    """Ask the Service of each pool's revision. Raises httpx.HTTPError and OddAnswerError."""
    if not revisions:
        raise OddAnswerError("no pool serves a release")
    answers = [_ask(api, pool, revision, model) for pool, revision in sorted(revisions.items())]
    return Agreement(prompt=ASK.prompt, drawn=ASK.described(), answers=answers)


def _ask(api: Api, pool: str, revision: str, model: str) -> PoolAnswer:
    url = f"{api.service_url(NAMESPACE, f'{NAME}-{pool}-{revision}')}{PATHS['chat']}"
    body = {**ASK.body(model), "logprobs": True}
    answer = httpx.post(url, json=body, timeout=_TIMEOUT, trust_env=False)
    answer.raise_for_status()
    tokens, fingerprint = read(answer.json())
    return PoolAnswer(pool=pool, devices=_devices(api, pool, revision), fingerprint=fingerprint, tokens=tokens)


def read(body: Mapping[str, Any]) -> tuple[list[str], str]:
    """An answer's tokens and its fingerprint. Raises OddAnswerError."""
    try:
        entries = body["choices"][0]["logprobs"]["content"]
        tokens = [bytes(entry["bytes"]).decode(errors="backslashreplace") for entry in entries]
        return tokens, Reply.parse(dict(body)).fingerprint
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise OddAnswerError(f"no tokens in the answer: {type(error).__name__}: {error}") from error


def _devices(api: Api, pool: str, revision: str) -> int:
    """Over how many devices a pod of the pool says that its vocabulary is split."""
    pods = api.pods(NAMESPACE, f"{REVISION_LABEL}={revision},{POOL_LABEL}={pool}")
    found = next((pod for pod in pods if pod["status"].get("podIP")), None)
    if found is None:
        raise OddAnswerError(f"pool {pool} has no pod with an address")
    answer = httpx.get(f"{api.pod_url(found, _METRICS_PORT)}/metrics", timeout=_TIMEOUT, trust_env=False)
    answer.raise_for_status()
    return shards_in(answer.text)


def shards_in(metrics: str) -> int:
    """The label `vocab_shards` of a server's build. Raises OddAnswerError."""
    found = _SHARDS.search(metrics)
    if found is None:
        raise OddAnswerError("sampler_build_info does not say over how many devices the vocabulary is split")
    return int(found[1])
