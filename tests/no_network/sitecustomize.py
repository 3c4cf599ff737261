"""Lets a Python process reach this machine only. Imported by every Python that finds this folder on PYTHONPATH.

An audit hook rather than a patched `socket`: it holds for libraries that took their `connect` before, and cannot be
taken off again. It does not see sockets that native code opens; `test_no_network` has the kernel for those.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

_ADDRESSED = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0}


class NetworkBlocked(BaseException):
    """A test reached for the network. Not an Exception: code that forgives those must not hide it."""


def is_local(host: Any) -> bool:
    """Whether an address stays on this machine; sockets that are files have none."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    place = _ADDRESSED.get(event)
    if place is None:
        return
    address = arguments[place]
    if event != "socket.getaddrinfo":
        # The tuple of an internet address; a path, or what a kernel socket takes, is no network.
        if not isinstance(address, tuple):
            return
        address = address[0]
    if not is_local(address):
        raise NetworkBlocked(f"{event} to {address!r}")


sys.addaudithook(_hook)
