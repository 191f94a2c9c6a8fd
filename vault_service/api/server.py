"""Run the public API under granian: one worker process with several threads, started again if it dies."""

import ipaddress
from functools import partial
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from vault_service.api.wsgi import build, reached_by_tls
from vault_service.bootstrap import missing
from vault_service.domain.errors import ConfigurationError
from vault_service.logs import configure_logging
from vault_service.process import scrub_freed_memory
from vault_service.settings import Api, Settings, private_file

_UNIX = "unix:"
_HEADERS_WITHIN_MS = 10_000
_FINISH_WITHIN_S = 10  # requests under way at SIGTERM; the longest wait for the key service's Argon2 included
_CONNECTIONS = 512  # at a time; more wait in the listener's queue
_SOCKET_MODE = 0o660
_LOGGING: dict[str, Any] = {
    # granian's own lines go where all others go; it gets no access log, which would hold paths.
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": False}},
}


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
    if host.startswith(_UNIX) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may lead anywhere


def run(settings: Settings) -> None:
    """Serve until SIGTERM; requests that are under way finish. Raises ConfigurationError."""
    api = settings.api
    if api is None:
        raise missing("api")
    refuse_clear_text(api)
    scrub_freed_memory()
    configure_logging(settings.log_level)
    make_server(api).serve(target_loader=partial(build, settings), wrap_loader=False)


def make_server(api: Api) -> MPServer:
    """The server, not yet listening."""
    unix = Path(api.host.removeprefix(_UNIX)) if api.host.startswith(_UNIX) else None
    return MPServer(
        "vault_service.api.wsgi:create",
        address="127.0.0.1" if unix else api.host,
        port=api.port,
        uds=unix,
        uds_permissions=_SOCKET_MODE if unix else None,
        interface=Interfaces.WSGI,
        workers=1,  # figures and pools are one process's; threads wait for PostgreSQL outside the GIL
        blocking_threads=api.threads,
        backpressure=_CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADERS_WITHIN_MS),
        websockets=False,
        log_level=LogLevels.info,
        log_dictconfig=_LOGGING,
        log_access=False,
        ssl_cert=api.tls.certificate if api.tls else None,
        ssl_key=private_file(api.tls.key) if api.tls else None,
        ssl_ca=api.tls.ca if api.tls else None,
        ssl_client_verify=api.tls is not None and api.tls.ca is not None,
        respawn_failed_workers=True,
        workers_kill_timeout=_FINISH_WITHIN_S,
    )
