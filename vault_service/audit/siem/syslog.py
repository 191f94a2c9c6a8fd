"""A syslog receiver: RFC 5424 messages over TLS (RFC 5425).

Syslog has no acknowledgement, but TLS has something near: each batch has a connection of its own, which
we end with close_notify, and the receiver must answer with its own (RFC 5425, section 4.4). It can do so
only after it has read all that came before. A connection that just breaks confirms nothing, since
anybody on the way could have broken it: the batch is sent again.
"""

import ssl
from collections.abc import Sequence
from datetime import UTC

from vault_service.audit.siem.mapping import Severity
from vault_service.audit.siem.ocsf import OutgoingEvent
from vault_service.outbound.connect import Deadline, Outbound

_WITHIN_S = 30.0
_PIECE = 64 * 1024  # bytes
_LOG_AUDIT = 13  # facility (RFC 5424, section 6.2.1)
_SYSLOG_SEVERITY = {
    Severity.INFORMATIONAL: 6,
    Severity.LOW: 5,  # notice
    Severity.MEDIUM: 4,  # warning
    Severity.HIGH: 3,  # error
    Severity.CRITICAL: 2,
}
_MAX_MSGID = 32  # characters


class SyslogReceiver:
    """Sends to one host and port."""

    def __init__(
        self, name: str, host: str, port: int, outbound: Outbound, tls: ssl.SSLContext, *,
        within_s: float = _WITHIN_S,
    ) -> None:  # fmt: skip
        self.name = name
        self._host = host
        self._port = port
        self._outbound = outbound
        self._tls = tls
        outbound.check_literal(host)
        self._within_s = within_s

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        """Send them, and wait until the receiver has read them."""
        rest = memoryview(b"".join(framed(message(event)) for event in events))
        deadline = Deadline(self._within_s)
        with self._outbound.connected(self._host, self._port, self._tls, deadline) as connection:
            while rest:
                connection.settimeout(deadline.left_s())
                rest = rest[connection.send(rest[:_PIECE]) :]
            connection.settimeout(deadline.left_s())
            connection.unwrap()

    def close(self) -> None:
        """Nothing is held between two batches."""


def message(event: OutgoingEvent) -> bytes:
    """One message (RFC 5424, section 6), its text the event's JSON; host and process stay unsaid."""
    priority = _LOG_AUDIT * 8 + _SYSLOG_SEVERITY[event.severity]
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return f"<{priority}>1 {at} - vault_service - {event.kind[:_MAX_MSGID]} - ".encode("ascii") + event.json


def framed(text: bytes) -> bytes:
    """With its length before it (RFC 5425, section 4.3)."""
    return b"%d %s" % (len(text), text)
