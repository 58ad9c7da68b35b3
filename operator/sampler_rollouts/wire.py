"""What all of our own connections have in common: an end in time, and addresses that are never meant."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA: Final = frozenset(
    ipaddress.ip_address(one)
    for one in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)
"""Where clouds tell a machine its secrets, beside the link-local addresses."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def address_of(text: str) -> IPAddress:
    """An IP address; the IPv4 one that an IPv6 address stands for. ValueError for anything else."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_nobodys(address: IPAddress) -> bool:
    """Whether no server of anybody's can be there: link-local, multicast, unspecified, or a cloud's metadata."""
    broadcast = address == ipaddress.IPv4Address("255.255.255.255")
    special = address.is_link_local or address.is_multicast or address.is_unspecified
    return special or broadcast or address in _METADATA


@contextlib.contextmanager
def cut_at(end: float, sock: socket.socket) -> Iterator[None]:
    """Timeouts of a socket bound each read, not their sum: a server that drips is cut off at the end.

    ``end`` is of ``time.monotonic``. TimeoutError if the block ends later: what it took for the end of headers, or of a
    body without a length, may be the cut.
    """
    sock.settimeout(max(0.001, end - time.monotonic()))
    timer = threading.Timer(max(0.0, end - time.monotonic()), _cut, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if time.monotonic() >= end:
        raise TimeoutError


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # gone already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of TLS too: its own way would disturb whoever reads
