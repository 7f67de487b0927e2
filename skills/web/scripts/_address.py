"""Which addresses of the network may a page be fetched from?

A model can be talked into fetching anything: `http://169.254.169.254/` on a cloud machine gives away its
keys, `http://127.0.0.1:8080/` reaches what was never meant for others. So a name is resolved once, the
addresses are judged, and the connection goes to the very address that was judged. Resolving again to
connect would let a name server give a good answer first and a bad one second.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple, Union

from omni import ToolError

IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# What `is_global` of one Python or another lets pass, and what carries an IPv4 address in an IPv6 one.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001:2::/48", "2001:db8::/32", "3fff::/20",
        "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


class Endpoint(NamedTuple):
    """An address that was judged, as a socket takes it."""

    family: int
    address: str
    port: int


def endpoints(host: str, port: int, *, allow_private: bool) -> list[Endpoint]:
    """Resolve a host and return the addresses that may be connected to, in the resolver's order.

    Args:
        host: A name, or an address in any spelling that the resolver takes.
        port: The port.
        allow_private: Take addresses of this machine and of private networks too.

    Raises:
        ToolError: The host is unknown, or all of its addresses are private.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "no name that can exist"
        raise ToolError(f"the host `{host}` cannot be resolved: {reason}") from None
    every = [Endpoint(family, str(address[0]), port) for family, _, _, _, address in found]
    allowed = [endpoint for endpoint in every if allow_private or is_public(endpoint.address)]
    if not allowed:
        raise ToolError(
            f"`{host}` is {every[0].address}, an address of this machine or a private network; only public ones are "
            "fetched. The user can allow it with `allow_private = true` under `[skills.web]`"
        )
    return allowed


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public internet, whatever IPv6 form it hides in."""
    # A scope (`fe80::1%eth0`) says which interface, and belongs to local addresses only.
    return "%" not in address and all(_is_public(ip) for ip in _all_of(ipaddress.ip_address(address)))


def _is_public(ip: IPAddress) -> bool:
    refused = any(ip in network for network in _REFUSED if network.version == ip.version)
    return not refused and ip.is_global and not ip.is_multicast


def _all_of(ip: IPAddress) -> list[IPAddress]:
    """Return the addresses that packets to this one may end at."""
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    inner: list[IPAddress] = []
    if ip.sixtofour is not None:
        inner.append(ip.sixtofour)
    if ip.teredo is not None:
        inner.extend(ip.teredo)
    if ip in _NAT64 or ip in _COMPATIBLE:
        inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        # The translator's prefix itself is no host; what counts is where it leads.
        return inner
    return [ip, *inner]
