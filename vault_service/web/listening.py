"""What must hold before a web face listens, so that one process says why it cannot start.

A worker that meets it later can only die, be started again and die again.
"""

import ipaddress
import socket
import ssl
from typing import Protocol

from vault_service.domain.errors import ConfigurationError
from vault_service.settings import Tls, private_file

UNIX = "unix:"


class Face(Protocol):
    """Where a face listens; the sections api and console of the settings are."""

    @property
    def host(self) -> str:
        """An address or a name, or unix:PATH."""
        ...

    @property
    def port(self) -> int:
        """Of TCP."""
        ...

    @property
    def threads(self) -> int:
        """That answer."""
        ...

    @property
    def tls(self) -> Tls | None:
        """Its own certificate."""
        ...

    @property
    def tls_terminated_by_proxy(self) -> bool:
        """Clients speak TLS to a proxy before it."""
        ...


def reached_by_tls(face: Face) -> bool:
    """Do clients speak TLS to this host, or to a proxy before it?"""
    return face.tls is not None or face.tls_terminated_by_proxy


def refuse_clear_text(face: Face, section: str) -> None:
    """Raises ConfigurationError if passwords would cross a network readable by all who carry them."""
    if reached_by_tls(face) or _is_local(face.host):
        return
    raise ConfigurationError(
        f"{section} would listen in clear text on {face.host}",
        remedy=f"Set {section}.tls, listen on loopback or unix:PATH, or, if a proxy terminates TLS before "
        f"it, set {section}.tls_terminated_by_proxy.",
    )


def _is_local(host: str) -> bool:
    if host.startswith(UNIX) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may lead anywhere


def see_that_it_can_listen(face: Face, section: str) -> None:
    """Raises ConfigurationError for whatever a worker would fail on."""
    if face.tls is not None:
        _check_certificate(face.tls, section)
    if not face.host.startswith(UNIX):
        see_that_it_is_free(face.host, face.port, f"{section}.port")


def _check_certificate(tls: Tls, section: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, private_file(tls.key), password="")  # rather than ask
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(str(file) for file in (tls.certificate, tls.key, tls.ca) if file is not None)
        raise ConfigurationError(
            f"{section}.tls ({files}): {error.strerror or error}",
            remedy="Name a certificate and its own key, in PEM.",
        ) from error


def see_that_it_is_free(host: str, port: int, setting: str) -> None:
    """Raises ConfigurationError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"{setting} {port} on {host} cannot be used: {error.strerror}",
            remedy="Name another, or free it.",
        ) from error
