"""One compiled synthetic engine for all tests that need one: compiling is what costs."""

from collections.abc import Iterator

import pytest
from samplerd import synthetic
from samplerd.engine import Engine
from samplerd.model import Model
from samplerd.program import Executables, production_program

from tests.unit.compiling import compiled_once

compiled_once()

CONTEXT = 128


@pytest.fixture(scope="session")
def model() -> Model:
    return synthetic.load(CONTEXT)


@pytest.fixture(scope="session")
def executables(model: Model) -> Executables:
    """The compiled programs; one engine at a time may use them."""
    return Executables(model, production_program(model), batch_sizes=(1, 2, 4), chunk_sizes=(16, 64))


@pytest.fixture
def engine(executables: Executables) -> Iterator[Engine]:
    """A fresh engine, not started."""
    fresh = Engine(executables, queue_size=4)
    yield fresh
    fresh.stop()
