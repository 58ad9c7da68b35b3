"""The installed operator, as end-to-end tests have it."""

from tests.support.installed import edge, images, operator, rollouts

__all__ = ["edge", "images", "operator", "rollouts"]
