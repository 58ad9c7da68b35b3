"""Marks that follow from what a test imports."""

from __future__ import annotations

import inspect

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who can start a whole server, with its ports, threads and compiled programs, carries the mark `server`."""
    for item in items:
        if isinstance(item, pytest.Function) and _serves(inspect.getmodule(item.function)):
            item.add_marker("server")


def _serves(module: object) -> bool:
    return hasattr(module, "serving")
