"""Which context class a request belongs to, by its true token count; and whether it came to the right server (I1)."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ContextClasses:
    """The classes of a release, and the one that this server is for.

    ``largest`` holds the most prompt tokens of each class; ``mine`` is one of its names.
    """

    largest: Mapping[str, int]
    mine: str

    def intended(self, prompt_tokens: int) -> str:
        """The smallest class that holds the prompt; the largest one, if none does."""
        fitting = [(most, name) for name, most in self.largest.items() if prompt_tokens <= most]
        return min(fitting)[1] if fitting else max(self.largest, key=lambda name: self.largest[name])


def parse_classes(text: str) -> dict[str, int]:
    """Read ``standard=200000,long=1000000``; ValueError says what is wrong."""
    classes: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, equals, most = part.strip().partition("=")
        if not (name and equals and most.isdecimal() and int(most) > 0):
            raise ValueError(f"{part!r} is not of the form standard=200000")
        if name in classes or int(most) in classes.values():
            raise ValueError(f"{part!r}: names and sizes of classes must differ")
        classes[name] = int(most)
    return classes
