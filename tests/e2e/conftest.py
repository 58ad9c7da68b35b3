"""The installed operator on the shared cluster, and the images that end-to-end tests roll out."""

from tests.support.installed import edge, images, operator, rollouts

__all__ = ["edge", "images", "operator", "rollouts"]
