"""Which request of a session is the one that counts: the first that this pod sees in an epoch."""

import hashlib
import os
from collections import OrderedDict


class SessionTable:
    """Remembers hashed (session, epoch) pairs, the newest `capacity` of them. Nothing can be read back out of it."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._key = os.urandom(16)
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self.evictions = 0

    def is_first(self, session: str, epoch: int) -> bool:
        """Whether the pair was unseen; it is seen from now on."""
        pair = f"{epoch};{session}".encode(errors="surrogatepass")
        digest = hashlib.blake2b(pair, digest_size=16, key=self._key).digest()
        if digest in self._seen:
            return False
        self._seen[digest] = None
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
            self.evictions += 1
        return True
