"""Where the settings of receivers become receivers."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from vault_service.audit.siem.delivery import Delivery, Pace, SiemDelivery
from vault_service.audit.siem.file import FileReceiver
from vault_service.audit.siem.metrics import SiemMetrics
from vault_service.audit.siem.receiver import Receiver
from vault_service.audit.siem.syslog import SyslogReceiver
from vault_service.audit.siem.webhook import WebhookReceiver
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.logs import LogName
from vault_service.outbound.connect import Deadline, Outbound, client_context
from vault_service.outbound.signature import signing_key
from vault_service.outbound.url import HttpsUrl, checked_host, checked_port
from vault_service.settings import SiemReceiver, private_file, read_secret
from vault_service.storage.pool import Database

_LOOK_UP_S = 5.0
_SYSLOG_PORT = 6514  # RFC 5425, section 4.1
_TLS_URL = re.compile(r"tls://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\\\[\]]+)(:(?P<port>[0-9]{1,5}))?")


def siem_delivery(
    receivers: Iterable[SiemReceiver], log: LogName, db: Database, outbound: Outbound,
    registry: CollectorRegistry, pace: Pace | None = None,
) -> SiemDelivery:  # fmt: skip
    """One side's receivers, ready to be started. Raises ConfigurationError, OutboundRefusedError."""
    built = [build_receiver(each, outbound) for each in receivers]
    if len({each.name for each in built}) != len(built):
        raise ConfigurationError("two siem receivers have one name", remedy="Give each a name of its own.")
    metrics = SiemMetrics.create(registry)
    return SiemDelivery([Delivery(db, log, each, metrics, pace) for each in built])


def build_receiver(settings: SiemReceiver, outbound: Outbound) -> Receiver:
    """Raises ConfigurationError, OutboundRefusedError: before anything is sent."""
    if settings.kind == "file":
        if settings.path is None or not settings.path.is_absolute():
            raise _wrong(
                settings, "path is missing, or not absolute", 'Set path = "/var/log/vault/keys.jsonl".'
            )
        return FileReceiver(settings.name, settings.path)
    if settings.url is None:
        raise _wrong(settings, "url is missing", "Set url.")
    if settings.key is not None:
        private_file(settings.key)
    tls = client_context(ca=settings.ca, certificate=settings.certificate, key=settings.key)
    if settings.kind == "syslog":
        host, port = _host_and_port(settings)
        return SyslogReceiver(settings.name, host, port, outbound, tls)
    key = _secret(settings.hmac_key_file)
    if key is not None:
        signing_key(key())
    return WebhookReceiver(
        settings.name, HttpsUrl.parse(settings.url), outbound, tls,
        token=_secret(settings.token_file), key=key, body=settings.body,
    )  # fmt: skip


def _host_and_port(settings: SiemReceiver) -> tuple[str, int]:
    found = _TLS_URL.fullmatch(settings.url or "")
    if found is None:
        raise _wrong(settings, "url is not tls://host:port", "Syslog goes over TLS only (RFC 5425).")
    return checked_host(found["host"]), checked_port(int(found["port"] or _SYSLOG_PORT))


def check_receiver(settings: SiemReceiver, outbound: Outbound) -> str:
    """Where events would go to; nothing is sent. Raises what is in the way now."""
    build_receiver(settings, outbound).close()
    if settings.kind == "file" or settings.url is None:
        return str(settings.path)
    if settings.kind == "webhook":
        url = HttpsUrl.parse(settings.url)
        host, port = url.host, url.port
    else:
        host, port = _host_and_port(settings)
    addresses = outbound.addresses(host, port, Deadline(_LOOK_UP_S))
    return f"{host} port {port} at {', '.join(map(str, addresses))}"


def _secret(path: Path | None) -> Callable[[], str] | None:
    """Read now, so that a missing file shows at the start, and at each use."""
    if path is None:
        return None
    read_secret(path)
    return partial(read_secret, path)


def _wrong(settings: SiemReceiver, problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"siem receiver {settings.name}: {problem}", remedy=remedy)
