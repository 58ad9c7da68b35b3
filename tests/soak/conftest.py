"""The installed operator, as end-to-end tests have it."""

import pytest

from tests.support.installed import edge, images, operator, rollouts

__all__ = ["edge", "images", "operator", "rollouts"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First of all what needs the machine without a cluster, last what takes the operator and the definition away."""
    places = {"test_interrupted_up.py": 0, "test_helm_release.py": 2}
    items.sort(key=lambda item: places.get(item.path.name, 1))
