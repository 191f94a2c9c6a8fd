"""Messages of RFC 5424, counted as RFC 5425 says, and taken only when the receiver has confirmed it."""

import re
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.audit.siem.test_file import events
from tests.audit.siem.test_ocsf import ALL
from tests.rig.certificates import Authority
from tests.rig.listeners import LOOPBACK, TlsListener, listening, server_context
from vault_service.audit.siem.ocsf import outgoing
from vault_service.audit.siem.syslog import SyslogReceiver, message
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.connect import Outbound, client_context
from vault_service.outbound.errors import OutboundRefusedError, OutboundUnavailableError

OPEN = Outbound(AddressPolicy(["127.0.0.0/8"]))
MESSAGE = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) - vault_service - ([!-~]{1,32}) - (\{.*\})"
)


class Collector:
    """Reads until the sender's close_notify, and ends as a test wants."""

    def __init__(self) -> None:
        self.received = b""
        self.connections = 0
        self.end: Callable[[ssl.SSLSocket], object] = lambda client: client.unwrap()

    def __call__(self, client: ssl.SSLSocket) -> None:
        self.connections += 1
        while piece := client.recv(65536):
            self.received += piece
        self.end(client)

    @property
    def messages(self) -> list[bytes]:
        """What came, taken apart by the counts alone."""
        found, rest = [], self.received
        while rest:
            count, _, rest = rest.partition(b" ")
            assert re.fullmatch(rb"[1-9][0-9]*", count)
            found.append(rest[: int(count)])
            assert len(found[-1]) == int(count)
            rest = rest[int(count) :]
        return found


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def listener(authority: Authority, collector: Collector) -> Iterator[TlsListener]:
    with listening(server_context(authority.issue("collector")), collector) as listener:
        yield listener


def receiver(listener: TlsListener, authority: Authority, within_s: float = 10.0) -> SyslogReceiver:
    tls = client_context(ca=authority.path)
    return SyslogReceiver("syslog", LOOPBACK, listener.port, OPEN, tls, within_s=within_s)


def test_messages_come_counted_and_in_their_order(
    listener: TlsListener, authority: Authority, collector: Collector
) -> None:
    sender = receiver(listener, authority)
    sender.deliver(events(*range(300)))
    sender.deliver(events(300))

    assert collector.messages == [message(event) for event in events(*range(301))]
    assert collector.connections == 2


@pytest.mark.parametrize("leaf", [each[1] for each in ALL], ids=[each[0] for each in ALL])
def test_each_kind_is_a_message(leaf: object) -> None:
    event = outgoing(1, leaf)  # type: ignore[arg-type]
    found = MESSAGE.fullmatch(message(event))

    assert found is not None
    facility, severity = divmod(int(found[1]), 8)
    assert facility == 13
    assert severity == {1: 6, 2: 5, 3: 4, 4: 3, 5: 2}[event.severity]
    assert found[2] == b"2026-11-27T09:20:43.817210Z"
    assert found[3].decode() == event.kind, "no name of a kind is cut off"
    assert found[4] == event.json


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_both_versions_of_tls_confirm(tls: str, authority: Authority, collector: Collector) -> None:
    context = server_context(authority.issue(f"tls{tls}"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2 if tls == "1.2" else ssl.TLSVersion.TLSv1_3
    with listening(context, collector) as listener:
        receiver(listener, authority).deliver(events(0))
    assert len(collector.messages) == 1


def test_a_connection_that_only_breaks_confirms_nothing(
    listener: TlsListener, authority: Authority, collector: Collector
) -> None:
    """Anybody on the way can break one; and what was under way then may not have been read."""
    collector.end = lambda client: ssl.SSLSocket.shutdown(client, 2)
    with pytest.raises(OutboundUnavailableError):
        receiver(listener, authority).deliver(events(0))


def test_a_collector_that_reads_nothing_is_given_up(authority: Authority) -> None:
    released = threading.Event()

    def hangs(client: ssl.SSLSocket) -> None:
        del client
        released.wait(10)

    with listening(server_context(authority.issue("hanging")), hangs) as listener:
        with pytest.raises(OutboundUnavailableError, match="in time"):
            receiver(listener, authority, within_s=0.4).deliver(events(0))
        released.set()


def test_a_strangers_certificate_is_refused(
    listener: TlsListener, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "stranger")
    with pytest.raises(OutboundUnavailableError, match="certificate"):
        receiver(listener, stranger).deliver(events(0))


def test_an_inner_address_is_refused_when_it_is_configured() -> None:
    with pytest.raises(OutboundRefusedError):
        SyslogReceiver("syslog", "10.0.0.1", 6514, OPEN, client_context())
