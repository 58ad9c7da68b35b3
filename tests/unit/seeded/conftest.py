"""The synthetic model for the seeded faults."""

import pytest
from samplerd import synthetic
from samplerd.model import Model

from tests.unit.compiling import compiled_once

compiled_once()


@pytest.fixture(scope="session")
def model() -> Model:
    return synthetic.load(128)
