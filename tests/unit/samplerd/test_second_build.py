"""The demo's good second build: the server starts with other programs, and draws the tokens of the first."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from samplerd import cli, smollm
from samplerd.model import Model
from samplerd.program import Executables, production_program
from samplerd.settings import Settings
from typer.testing import CliRunner

from local.demo import images, manifests
from local.demo.prompts import load_prompts
from tests.unit.samplerd.test_engine import run_alone


def environment() -> dict[str, str]:
    """What the manifest gives the servers of pool narrow."""
    pool = yaml.safe_load(manifests.EXAMPLE.read_text())["spec"]["pools"][0]
    return {entry["name"]: entry["value"] for entry in pool["template"]["env"]}


def started(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Settings:
    """With which settings a pod of pool narrow starts, when its image has these arguments."""
    seen: list[Settings] = []

    async def run(settings: Settings, _: Any) -> int:
        seen.append(settings)
        return 0

    monkeypatch.setattr("samplerd.server.run", run)
    done = CliRunner().invoke(cli.make_app(), [*arguments], env=environment())
    assert done.exit_code == 0, done.output
    return seen[0]


def test_its_image_wins_over_the_manifest_in_the_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (started(monkeypatch, *words) for words in (["serve"], images.SECOND_ARGUMENTS))
    assert (first.prefill_sizes, second.prefill_sizes) == ((48,), (32,))
    assert first.model_copy(update={"prefill_sizes": second.prefill_sizes}) == second


@pytest.fixture(scope="module")
def model() -> Model:
    return smollm.load(int(environment()["SAMPLER_CONTEXT"]))


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(240)
def test_it_draws_the_same_tokens(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [started(monkeypatch, *words).prefill_sizes for words in (["serve"], images.SECOND_ARGUMENTS)]
    # One step program, as in both builds; each reads with its own programs alone.
    executables = Executables(model, production_program(model), batch_sizes=(1,), chunk_sizes=sum(sizes, ()))
    tokens: list[list[list[int]]] = []
    for own in sizes:
        executables.chunk_sizes = list(own)
        tokens.append([answer(executables, model, number) for number in range(8)])
    assert tokens[0] == tokens[1]
    assert len({tuple(one) for one in tokens[0]}) == len(tokens[0])


def answer(executables: Executables, model: Model, number: int) -> list[int]:
    """As the demo's load asks: half of the requests at top-k 40. The questions take more than one chunk of 32."""
    question = load_prompts()[number * 12]
    prompt = model.tokenizer.encode_chat([("user", question)])
    assert len(prompt) > 33
    top_k = 40 if number % 2 else 0
    return run_alone(executables, prompt, max_tokens=12, seed=number, temperature=0.7, top_p=0.99, top_k=top_k)
