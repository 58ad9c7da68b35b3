"""Turns token bytes into text as it comes: never half a character, never a part of a stop string."""

import codecs
from collections.abc import Sequence


class TextStream:
    """Feed it bytes; it gives the text that is safe to show.

    An incomplete character waits for its other bytes, and becomes U+FFFD if they never come. Text that may be the
    beginning of a stop string waits until it is or is not; a stop string itself is never shown.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(stop)
        self._held = ""
        self.stopped = False
        """A stop string was met; what follows is ignored."""

    def push(self, data: bytes) -> str:
        """Take a token's bytes and give the text that is now certain."""
        return self._release(self._decoder.decode(data))

    def finish(self) -> str:
        """The answer ends here: give what was held back."""
        text = self._release(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        return text + held

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        self._held += text
        found = [place for place in map(self._held.find, self._stop) if place >= 0]
        self.stopped = bool(found)
        end = min(found) if found else len(self._held) - self._may_begin_a_stop()
        shown, self._held = self._held[:end], "" if found else self._held[end:]
        return shown

    def _may_begin_a_stop(self) -> int:
        """How many characters at the end could be the beginning of a stop string."""
        longest = max(map(len, self._stop), default=1) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stop):
                return size
        return 0
