"""Addresses of servers, and whether they are of this machine: parts that talk to servers refuse all others."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit


def address_in(url: str, schemes: Collection[str]) -> tuple[str, int, str] | None:
    """Host, port and path of a server; None where it is no address of one.

    >>> address_in("http://127.0.0.1:8000/", ["http"])
    ('127.0.0.1', 8000, '')
    """
    try:
        parts = urlsplit(url)
        if parts.scheme not in schemes or not parts.hostname:
            return None
        return parts.hostname, parts.port or 80, parts.path.rstrip("/")
    except ValueError:  # what stands there is no port, or no address of version 6
        return None


def is_here(host: str) -> bool:
    """Whether a host is this machine: by its name of that, or by an address of the loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
