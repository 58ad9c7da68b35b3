"""The signature of a notification, after the Standard Webhooks specification (1.0.0, symmetric).

``webhook-id``, ``webhook-timestamp`` and ``webhook-signature: v1,<base64>`` where the last is the HMAC-SHA256 of
``id.timestamp.body``. Whoever has the key can tell that a body is ours, whole, and not older than it allows.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a key."""
MOST: Final = 4
"""Keys at the same time: while one replaces another both sign."""


def headers(keys: Sequence[bytes], identity: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers. ``timestamp`` is in Unix seconds; a signature of each key, separated by blanks."""
    signed = f"{identity}.{timestamp}.".encode() + body
    every = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{one}" for one in every),
    }


def keys_of(text: str) -> list[bytes]:
    """The keys of a file, one a line, as ``whsec_<base64>``. ValueError with the remedy, and without the text."""
    lines = text.split()
    if not 1 <= len(lines) <= MOST:
        raise ValueError(f"must hold 1 to {MOST} keys, one a line")
    return [_key(line) for line in lines]


def _key(line: str) -> bytes:
    remedy = "each key must be whsec_ and the base64 of 24 to 64 bytes: make one by openssl rand -base64 32"
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(remedy) from None
    if not line.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(remedy)
    return key
