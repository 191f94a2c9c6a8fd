"""What must hold before the API listens, so that one process says why it cannot start.

A worker that meets it later can only die, be started again and die again.
"""

import ipaddress
import socket
import ssl

from vault_service.api.wsgi import reached_by_tls
from vault_service.bootstrap.api import check_accounts
from vault_service.domain.errors import ConfigurationError
from vault_service.settings import Api, Settings, Tls, private_file

UNIX = "unix:"
_METRICS_HOST = "127.0.0.1"


def refuse_clear_text(api: Api) -> None:
    """Raises ConfigurationError if passwords would cross a network readable by all who carry them."""
    if reached_by_tls(api) or _is_local(api.host):
        return
    raise ConfigurationError(
        f"the API would listen in clear text on {api.host}",
        remedy="Set api.tls, listen on loopback or unix:PATH, or, if a proxy terminates TLS before it, set "
        "api.tls_terminated_by_proxy.",
    )


def _is_local(host: str) -> bool:
    if host.startswith(UNIX) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may lead anywhere


def see_that_it_can_start(settings: Settings, api: Api) -> None:
    """Raises ConfigurationError for whatever a worker would fail on."""
    check_accounts(settings)
    if api.tls is not None:
        _check_certificate(api.tls)
    _see_that_it_is_free(_METRICS_HOST, api.metrics_port, "metrics_port")
    if not api.host.startswith(UNIX):
        _see_that_it_is_free(api.host, api.port, "port")


def _check_certificate(tls: Tls) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, private_file(tls.key), password="")  # rather than ask
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(str(file) for file in (tls.certificate, tls.key, tls.ca) if file is not None)
        raise ConfigurationError(
            f"api.tls ({files}): {error.strerror or error}",
            remedy="Name a certificate and its own key, in PEM.",
        ) from error


def _see_that_it_is_free(host: str, port: int, name: str) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"api.{name} {port} on {host} cannot be used: {error.strerror}",
            remedy="Name another, or free it.",
        ) from error
