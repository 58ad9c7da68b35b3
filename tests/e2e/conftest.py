"""The installed operator on the shared cluster, and the images that end-to-end tests roll out."""

import pytest

from tests.support.installed import edge, faults, images, operator, rollouts

__all__ = ["edge", "faults", "images", "operator", "rollouts"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last of all what takes the operator and the definition of a SamplerRollout away."""
    items.sort(key=lambda item: item.path.name == "test_tutorial.py")
