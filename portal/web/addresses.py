"""Visitors' IP addresses, and the network that each is counted as."""

import ipaddress

from starlette.types import Scope


def of(scope: Scope) -> str:
    """Return the address that a request came from; empty if unknown."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def network(address: str) -> str:
    """Return the network that an address counts as: itself for IPv4; for IPv6 its /64, the size for one household."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6 and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def is_own(address: str) -> bool:
    """Return whether it is a loopback address of this machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
