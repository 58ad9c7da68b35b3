"""The installed operator, as end-to-end tests have it."""

import pytest

from tests.support.installed import edge, images, operator, rollouts

__all__ = ["edge", "images", "operator", "rollouts"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First of all what needs the machine without a cluster."""
    items.sort(key=lambda item: item.path.name != "test_interrupted_up.py")
