"""Which network addresses may be sent to.

The attack is server-side request forgery: whoever may name a receiver, or answers for its name in DNS,
would have the vault's hosts knock at what only they reach: the databases, the key service, another
process on loopback, a cloud's metadata service (169.254.169.254). So only addresses of the public
Internet are used, and others only when their network is listed in policies/outbound.toml.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from vault_service.domain.errors import ConfigurationError
from vault_service.outbound.errors import OutboundRefusedError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_CLOSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        # IANA IPv4 Special-Purpose Address Registry (RFC 6890), and what is no unicast address. Written
        # out, as Python's own is_global differs between patch releases of 3.11.
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# All that is not global unicast is closed: with it ::1, fc00::/7, fe80::/10, ff00::/8, IPv4 in IPv6
# (::ffff:0:0/96, ::/96) and NAT64 (64:ff9b::/96, 64:ff9b:1::/48), through which 10.0.0.1 has a second name.
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, with Teredo (2001::/32), which holds an IPv4 address
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4, which holds an IPv4 address
        "2620:4f:8000::/48", "5f00::/16",
    )
)  # fmt: skip
_SHORTEST_PREFIX = {4: 8, 6: 7}  # 10.0.0.0/8 and fc00::/7 are the largest that anybody has of their own


class AddressPolicy:
    """The public Internet, and the listed networks besides."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        """Raises ConfigurationError for what is no network, or so large that it would be no policy."""
        self._allowed = tuple(_network(each) for each in allow)

    def check(self, address: str) -> Address:
        """The address, read. Raises OutboundRefusedError unless it may be sent to."""
        try:
            read = ip_address(address)
        except ValueError:
            raise OutboundRefusedError(f"{address[:100]!r} is not an address") from None
        if isinstance(read, IPv6Address) and read.scope_id is not None:
            raise OutboundRefusedError(f"{address[:100]} names a network interface")
        if not any(read in network for network in self._allowed) and not _is_public(read):
            raise OutboundRefusedError(f"{read} is not an address of the public Internet")
        return read


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ConfigurationError(
            f"outbound.toml: allow: {error}", remedy='Write networks as in allow = ["10.1.2.0/24"].'
        ) from None
    if network.prefixlen < _SHORTEST_PREFIX[network.version]:
        raise ConfigurationError(
            f"outbound.toml: allow: {network} is so large that hardly anything would be refused",
            remedy="List the receivers' own networks.",
        )
    return network
