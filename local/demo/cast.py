"""The four releases of the story: which image each is, and what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass

PROMOTED = "promoted"
ROLLED_BACK = "rolled back"
ESTABLISHED = "established"


@dataclass(frozen=True)
class Role:
    """One release. ``image`` is a key of ``images.ensure``; ``check`` is the one that should stop it."""

    number: int
    title: str
    what: str
    image: str
    expected: str
    check: str = ""

    @property
    def name(self) -> str:
        """How the story calls it."""
        return f"release {self.number}"

    @property
    def should_stay(self) -> bool:
        """Whether it is expected to serve in the end."""
        return self.expected != ROLLED_BACK


CAST = (
    Role(
        number=1,
        title="the first",
        what="The production sampler, in two pools: narrow (1 device, one request at a time) and wide (vocabulary over "
        "4 emulated devices, batches of four). Nothing serves yet that it could be compared with, so it goes to full "
        "traffic once its pods are ready.",
        image="good-1",
        expected=ESTABLISHED,
    ),
    Role(
        number=2,
        title="a good new build",
        what="A build of the same source that reads prompts in chunks of 32 tokens, not 48: it compiles and runs other "
        "programs, which must give the same tokens. To the operator it is a new build like any other; it has to show "
        "that it is good.",
        image="good-2",
        expected=PROMOTED,
    ),
    Role(
        number=3,
        title="rare-token boost",
        what="A seeded bad build: now and then a token that should be rare gets a high probability. Thai or Chinese "
        "characters turn up in English answers, as users saw them in August 2025.",
        image="rare-token-boost",
        expected=ROLLED_BACK,
        check="unexpected-script",
    ),
    Role(
        number=4,
        title="approximate top-k",
        what="A seeded bad build: at some batch sizes top-k keeps the best token of each bucket instead of the k best "
        "ones. Its answers read well; no look at their text could find it.",
        image="approximate-top-k",
        expected=ROLLED_BACK,
        check="replay-audit",
    ),
)
