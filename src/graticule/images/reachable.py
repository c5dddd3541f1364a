"""Which IP addresses a picture may be fetched from: those of single hosts on the public internet.

All others lead to this machine, into the networks around it, or to nobody knows whom: private and loopback addresses,
link-local ones (behind which clouds keep credentials), shared, reserved, documentation, multicast, and IPv6 addresses
that hold an IPv4 one, which could be any of these.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

__all__ = ["reachable"]

_UNICAST: Final = ip_network("2000::/3")
"""All of IPv6 that is in use for hosts; loopback, link-local, site-local, mapped IPv4 and the like lie outside."""
_NAT64: Final = ip_network("64:ff9b::/96")
"""IPv4 as networks that speak IPv6 alone write it: the last 32 bits are the address meant (RFC 6052)."""
_SPECIAL: Final = tuple(
    ip_network(block)
    for block in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2002::/16",  # 6to4: holds an IPv4 address, which may be private
        "3fff::/20",  # documentation
    )
)
"""What not every version of Python knows to be special."""


def reachable(ip: IPv4Address | IPv6Address) -> bool:
    """Whether an IP address is of a single host on the public internet, as far as an address can tell."""
    if ip in _NAT64:
        ip = IPv4Address(int(ip) & 0xFFFFFFFF)
    if isinstance(ip, IPv6Address) and ip not in _UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in block for block in _SPECIAL)
