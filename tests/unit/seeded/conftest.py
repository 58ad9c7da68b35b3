"""The synthetic model for the seeded faults."""

import pytest
from samplerd import synthetic
from samplerd.jax_setup import configure_jax
from samplerd.model import Model

configure_jax()


@pytest.fixture(scope="session")
def model() -> Model:
    return synthetic.load(128)
