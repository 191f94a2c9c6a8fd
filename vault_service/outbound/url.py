"""Addresses that people configure, read strictly: whatever two programs might read differently is refused."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from vault_service.outbound.errors import OutboundRefusedError

_MAX_LENGTH = 2048  # characters
_PRINTABLE = re.compile(r"[!-~]+")  # no space, no control character: none could end a header's line
_URL = re.compile(
    r"https://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\\\[\]]+)(:(?P<port>[0-9]{1,5}))?(?P<path>[/?].*)?"
)
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class HttpsUrl:
    """Where to send by HTTPS."""

    host: str  # a name, or an address without brackets
    port: int
    target: str  # path and query, as they stand in the request line

    @property
    def authority(self) -> str:
        """For the Host header (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _HTTPS_PORT else f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "HttpsUrl":
        """Raises OutboundRefusedError."""
        if len(text) > _MAX_LENGTH or not _PRINTABLE.fullmatch(text):
            raise _refused("is too long, or holds a space or a character that is not ASCII")
        found = _URL.fullmatch(text)
        if found is None or "#" in text or "\\" in text:
            raise _refused("is not of the form https://host/path, with no user name and no fragment")
        path = found["path"] or "/"
        return cls(
            checked_host(found["host"]),
            checked_port(int(found["port"] or _HTTPS_PORT)),
            path if path.startswith("/") else f"/{path}",
        )


def checked_host(host: str) -> str:
    """A name or an address, in lower case and without brackets. Raises OutboundRefusedError.

    "127.1", "0x7f.1" and "2130706433" are loopback to some resolvers: a name that ends in a number is an
    address in its one usual form, or nothing (as in the WHATWG URL Standard, section 3.5).
    """
    if host.startswith("["):  # an IPv6 address and nothing else (RFC 3986, section 3.2.2)
        try:
            return str(IPv6Address(host.removeprefix("[").removesuffix("]")))
        except ValueError:
            raise _refused("has brackets around what is no IPv6 address") from None
    name = host.lower().removesuffix(".")
    try:
        return str(ip_address(name))
    except ValueError:
        pass
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("has a host that is no name (write other scripts in punycode)")
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        raise _refused("has a host that looks like an address and is none in its usual form")
    return name


def checked_port(port: int) -> int:
    """Raises OutboundRefusedError."""
    if not 1 <= port <= 65535:
        raise _refused("has a port that is not between 1 and 65535")
    return port


def _refused(problem: str) -> OutboundRefusedError:
    # Never quoted: a path or a query may hold a receiver's secret.
    return OutboundRefusedError(f"the address {problem}")
