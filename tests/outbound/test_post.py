"""A POST goes to the address that was checked, to who has the certificate of its name, and ends in time."""

import contextlib
import os
import ssl
import threading
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from tests.rig.certificates import Authority
from tests.rig.listeners import (
    LOOPBACK,
    HttpRequest,
    TlsListener,
    answer,
    listening,
    read_request,
    server_context,
)
from vault_service.domain.errors import ConfigurationError
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.connect import Deadline, Outbound, client_context
from vault_service.outbound.errors import OutboundRefusedError, OutboundUnavailableError
from vault_service.outbound.post import Answer, post
from vault_service.outbound.url import HttpsUrl

pytestmark = pytest.mark.slow

NAME = "siem.example.org"
OPEN = AddressPolicy(["127.0.0.0/8"])
SHORT_S = 0.4


class Dns:
    """Answers in turn, the last one for ever, and counts how often it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        del host, port
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Server:
    """Keeps what it was sent and answers one status."""

    def __init__(self, status: int = 204, **headers: str) -> None:
        self.requests: list[HttpRequest] = []
        self.status, self.headers = status, headers

    def __call__(self, client: ssl.SSLSocket) -> None:
        self.requests.append(read_request(client))
        answer(client, self.status, **self.headers)


@contextlib.contextmanager
def serving(authority: Authority, talk: object, *names: str) -> Generator[TlsListener]:
    certificate = authority.issue(f"server-{'-'.join(names) or 'loopback'}", *names)
    with listening(server_context(certificate), talk) as listener:  # type: ignore[arg-type]
        yield listener


def send(
    listener: TlsListener, authority: Authority, *, dns: Dns | None = None, policy: AddressPolicy = OPEN,
    host: str = NAME, within_s: float = 10.0, body: bytes = b"{}", **headers: str,
) -> Answer:  # fmt: skip
    outbound = Outbound(policy, dns or Dns([LOOPBACK]))
    url = HttpsUrl.parse(f"https://{host}:{listener.port}/in?x=1")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return post(outbound, url, body, named, tls=client_context(ca=authority.path), within_s=within_s)


def test_a_request_arrives_as_it_was_meant(authority: Authority) -> None:
    server = Server(202)
    with serving(authority, server, NAME) as listener:
        assert send(listener, authority, body=b"x" * 300_000, Content_Type="text/x") == Answer(202)

    (request,) = server.requests
    assert request.line == "POST /in?x=1 HTTP/1.1"
    assert request.headers == {
        "host": f"{NAME}:{listener.port}", "user-agent": "vault_service", "content-length": "300000",
        "connection": "close", "content-type": "text/x",
    }  # fmt: skip
    assert request.body == b"x" * 300_000
    assert listener.names == [NAME]


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["1.1.1.1", "127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
    ],
)
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(
    answers: list[str], authority: Authority
) -> None:
    with serving(authority, Server(), NAME) as listener:
        with pytest.raises(OutboundRefusedError, match=r"siem\.example\.org"):
            send(listener, authority, dns=Dns(answers), policy=AddressPolicy())
        assert listener.accepted == 0


def test_a_name_is_looked_up_once_so_that_a_second_answer_cannot_lead_elsewhere(authority: Authority) -> None:
    """DNS rebinding: the first answer is checked, a later one would be used."""
    dns = Dns([LOOPBACK], ["10.0.0.1"])
    with serving(authority, Server(), NAME) as listener:
        assert send(listener, authority, dns=dns).status == 204
        assert dns.asked == 1
        with pytest.raises(OutboundRefusedError):
            send(listener, authority, dns=dns)


def test_a_host_that_does_not_answer_gives_way_to_its_other_address(authority: Authority) -> None:
    with serving(authority, Server(), NAME) as listener:
        assert send(listener, authority, dns=Dns(["127.0.0.2", LOOPBACK])).status == 204


def test_it_connects_to_the_checked_address_and_to_no_other(authority: Authority) -> None:
    with serving(authority, Server(), NAME) as listener:
        with pytest.raises(OutboundUnavailableError, match="connection failed"):
            send(listener, authority, dns=Dns(["127.0.0.2"]))
        assert listener.accepted == 0


def test_only_the_certificate_of_the_name_is_accepted(authority: Authority, tmp_path: Path) -> None:
    for issuer, name in ((authority, "other.example.org"), (Authority(tmp_path, "stranger"), NAME)):
        server = Server()
        with (
            serving(issuer, server, name) as listener,
            pytest.raises(OutboundUnavailableError, match="certificate"),
        ):
            send(listener, authority)
        assert server.requests == []


def test_an_address_needs_a_certificate_for_itself(authority: Authority) -> None:
    with serving(authority, Server()) as listener:
        assert send(listener, authority, host=LOOPBACK).status == 204


def test_a_redirect_is_an_answer_and_not_followed(authority: Authority) -> None:
    elsewhere = Server()
    with serving(authority, elsewhere) as second:
        server = Server(307, Location=f"https://{LOOPBACK}:{second.port}/")
        with serving(authority, server, NAME) as first:
            assert send(first, authority).status == 307
    assert (len(server.requests), elsewhere.requests) == (1, [])


def test_proxies_and_key_logs_of_the_environment_have_no_part(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:1")
    monkeypatch.setitem(os.environ, "SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    with serving(authority, Server(), NAME) as listener:
        assert send(listener, authority).status == 204
    assert not (tmp_path / "keys.log").exists()


def test_retry_after_is_read_where_it_is_a_number(authority: Authority) -> None:
    for value, seconds in (
        ("120", 120),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-5", None),
        ("1e3", None),
    ):
        with serving(authority, Server(503, Retry_After=value), NAME) as listener:
            assert send(listener, authority) == Answer(503, seconds)


def test_interim_answers_are_not_the_answer(authority: Authority) -> None:
    def talk(client: ssl.SSLSocket) -> None:
        read_request(client)
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        answer(client, 200)

    with serving(authority, talk, NAME) as listener:
        assert send(listener, authority).status == 200


def _silent(client: ssl.SSLSocket) -> None:
    read_request(client)
    client.recv(1)


def _dripping(client: ssl.SSLSocket) -> None:
    read_request(client)
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(2000):
        client.sendall(b"X")
        client.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            if client.recv(1) == b"":
                return


@pytest.mark.parametrize("talk", [_silent, _dripping], ids=["silent", "a byte at a time"])
def test_a_receiver_that_takes_its_time_is_given_up(talk: object, authority: Authority) -> None:
    with serving(authority, talk, NAME) as listener, pytest.raises(OutboundUnavailableError, match="in time"):
        send(listener, authority, within_s=SHORT_S)


def test_a_receiver_that_does_not_read_is_given_up(authority: Authority) -> None:
    def talk(client: ssl.SSLSocket) -> None:
        del client
        threading.Event().wait(3)

    with serving(authority, talk, NAME) as listener, pytest.raises(OutboundUnavailableError, match="in time"):
        send(listener, authority, within_s=SHORT_S, body=b"x" * 30_000_000)


def test_an_answer_without_end_is_given_up(authority: Authority) -> None:
    def talk(client: ssl.SSLSocket) -> None:
        read_request(client)
        client.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 5_000_000)

    with (
        serving(authority, talk, NAME) as listener,
        pytest.raises(OutboundUnavailableError, match="too long"),
    ):
        send(listener, authority)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n"]
)
def test_what_is_no_answer_is_none(said: bytes, authority: Authority) -> None:
    def talk(client: ssl.SSLSocket) -> None:
        read_request(client)
        client.sendall(said)

    with serving(authority, talk, NAME) as listener, pytest.raises(OutboundUnavailableError):
        send(listener, authority)


def test_a_resolver_that_hangs_or_fails_is_given_up(authority: Authority) -> None:
    never = threading.Event()

    def hanging(host: str, port: int) -> Sequence[str]:
        del host, port
        never.wait(5)
        return [LOOPBACK]

    def failing(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    for resolve in (hanging, failing, Dns([])):
        with pytest.raises(OutboundUnavailableError, match="not resolved"):
            Outbound(OPEN, resolve).addresses(NAME, 443, Deadline(SHORT_S))
    never.set()


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nb", "", " a", "ä", "a\x00b"])
def test_no_header_can_break_the_request_apart(value: str, authority: Authority) -> None:
    with serving(authority, Server(), NAME) as listener:
        with pytest.raises(ValueError, match="X-Any") as refused:
            send(listener, authority, X_Any=value)
        assert "Evil" not in str(refused.value)
        assert listener.accepted == 0


def test_files_that_are_no_certificates_are_told(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    for ca in (tmp_path / "no.pem", tmp_path / "missing.pem"):
        with pytest.raises(ConfigurationError, match="TLS files"):
            client_context(ca=ca)
