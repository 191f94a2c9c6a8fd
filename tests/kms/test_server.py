"""Who may call the key service: decided by the socket and the peer's user id, or by a certificate."""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from structlog.testing import capture_logs

from tests.dev.waiting import until
from tests.kms.recoveries import UNSIGNED
from tests.rig.certificates import Authority, Certificate
from tests.rig.people import kms_of
from tests.rig.vault import Vault, free_port
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import (
    AppKeyRefusedError,
    CallerRefusedError,
    ConfigurationError,
    InvalidInputError,
    KmsUnavailableError,
    ThrottledError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import AppId, new_uuid
from vault_service.domain.recovery_errors import OfficerRefusedError
from vault_service.domain.tokens import AppKey, new_secret
from vault_service.kms import dispatch
from vault_service.kms.client import ClientTls, KmsClient
from vault_service.kms.limits.budgets import Budgets
from vault_service.kms.protocol.messages import (
    REQUESTS,
    AppKeyIssued,
    CreateApp,
    Health,
    HealthIs,
    Refusal,
    Unlock,
    Unlocked,
)
from vault_service.kms.protocol.recovery_messages import CaseOpened, OpenCase
from vault_service.kms.server import MAX_BODY, KmsServer, TlsListener, UnixListener
from vault_service.kms.service import KeyService
from vault_service.policy.rules import BudgetRule
from vault_service.settings import Caller
from vault_service.settings import KmsClient as KmsClientSettings

_NOBODY = 65534  # Debian's user of that name


def test_the_api_cannot_make_an_operators_call(vault: Vault) -> None:
    with pytest.raises(CallerRefusedError):
        kms_of(vault).call(CreateApp("captured"), AppKeyIssued)


def test_a_worker_cannot_unlock_anybody(vault: Vault) -> None:
    worker = kms_client(KmsClientSettings(url=vault.socket("worker_records")))
    with pytest.raises(CallerRefusedError):
        worker.call(Unlock(vault.app_key, "ana@example.org", "whatever the password is"), Unlocked)


def test_a_call_that_is_another_process_s_leaves_a_line_and_is_counted(service: KeyService) -> None:
    """None of ours asks for one: somebody has that process, and must not fill the log with it."""
    budget = BudgetRule(1.0, 1, 0.001, 2, 1.0, 1)
    captured = dispatch.Caller("worker_records", "here")

    with capture_logs() as logged:
        counted = replace(service, budgets=Budgets(budget))
        said = [dispatch.answer(counted, captured, "unlock", b"{}") for _ in range(4)]

    assert [each.code for each in said if isinstance(each, Refusal)] == [
        CallerRefusedError.code, CallerRefusedError.code, ThrottledError.code, ThrottledError.code,
    ]  # fmt: skip
    assert [(line["event"], line["call"], line["process"]) for line in logged] == [
        ("kms.caller_refused", "unlock", "worker_records")
    ] * 2


def test_a_manifest_of_many_officers_fits_into_a_request(vault: Vault) -> None:
    console = kms_client(KmsClientSettings(url=vault.socket("console")))
    largest = OpenCase(new_uuid(), "officer-change", "x" * 500, UNSIGNED, manifest=bytes(192 * 1024))
    with pytest.raises(OfficerRefusedError):
        console.call(largest, CaseOpened)


def test_every_call_says_who_may_make_it() -> None:
    known = set(get_args(Caller))
    assert all(request.callers and request.callers <= known for request in REQUESTS.values())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_of_the_host_is_refused_by_the_socket(service: KeyService, scratch: Path) -> None:
    """The mode of a socket's file is not what protects it: the peer's user id is asked."""
    path = scratch / "peer.sock"
    server = KmsServer(service, [UnixListener(path, "api", frozenset({os.geteuid()}))], threads=2)
    server.start()
    try:
        program = f"""
import socket
s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r})
s.sendall(b"POST /v1/health HTTP/1.0\\r\\nHost: kms\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}")
print(s.makefile().read())
"""
        said = subprocess.run(
            ["/usr/bin/python3", "-c", program], user=_NOBODY, group=_NOBODY, capture_output=True, text=True,
            timeout=60, check=True,
        ).stdout  # fmt: skip
    finally:
        server.stop()
    assert said.startswith("HTTP/1.1 403")
    assert "kms.caller_refused" in said


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"app_key": 1}', b'{"login": "a"}', b"\xff\xfe",
     b'{"app_key":"a","login":"b","password":"c","x":1}', b'{"app_key":"a","login":"b","password":""}'],
)  # fmt: skip
def test_a_malformed_request_is_refused_without_quoting_it(vault: Vault, body: bytes) -> None:
    transport = httpx.HTTPTransport(uds=vault.socket("api").removeprefix("unix:"))
    with httpx.Client(transport=transport, timeout=60) as client:
        answer = client.post("http://kms/v1/unlock", content=body)
    assert answer.status_code == 409
    assert answer.json() == {
        "code": InvalidInputError.code,
        "detail": "request: not a well-formed unlock",
        "retry_after_s": None,
    }


def test_more_headers_than_any_caller_sends_are_refused(vault: Vault) -> None:
    transport = httpx.HTTPTransport(uds=vault.socket("api").removeprefix("unix:"))
    with httpx.Client(transport=transport, timeout=60) as client:
        for size, accepted in ((8 * 1024, True), (17 * 1024, False)):
            answer = client.post("http://kms/v1/health", content=b"{}", headers={"X-Long": "x" * size})
            assert answer.is_success is accepted


def test_a_larger_body_than_any_caller_sends_is_refused(vault: Vault) -> None:
    """A captured host must not fill the key service's memory, nor by a length that it does not tell."""
    largest = b"{" + b" " * (MAX_BODY - 2) + b"}"
    transport = httpx.HTTPTransport(uds=vault.socket("api").removeprefix("unix:"))
    with httpx.Client(transport=transport, timeout=60) as client:
        assert client.post("http://kms/v1/health", content=largest).is_success
        assert client.post("http://kms/v1/health", content=largest + b" ").status_code == 413
        assert client.post("http://kms/v1/health", content=iter((b"{}",))).is_success
        assert client.post("http://kms/v1/health", content=iter((largest, largest))).is_client_error


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/hea", b"POST /v1/health HTTP/1.1\r\nHost: kms\r\nContent-Length: 9\r\n\r\n{}"]
)
def test_who_hangs_up_half_way_keeps_nobody_out(service: KeyService, scratch: Path, sent: bytes) -> None:
    path = scratch / "half.sock"
    server = KmsServer(service, [UnixListener(path, "api", frozenset({os.geteuid()}))], threads=1)
    server.start()
    try:
        with contextlib.ExitStack() as held:
            for _ in range(3):  # more than there are threads
                peer = held.enter_context(socket.socket(socket.AF_UNIX))
                peer.connect(str(path))
                peer.sendall(sent)
                peer.shutdown(socket.SHUT_WR)
            assert kms_client(KmsClientSettings(url=f"unix:{path}")).call(Health(), HealthIs).database == "ok"
    finally:
        server.stop()


def test_a_fault_that_nobody_foresaw_is_logged_and_answered_without_its_words(
    service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message of an exception may quote what was sent, and that may be a password."""

    def fail(_: KeyService, request: Health) -> HealthIs:
        raise ValueError(f"canary in {request}")

    handlers: dict[Any, Any] = {**dispatch._HANDLERS, Health: fail}
    monkeypatch.setattr(dispatch, "_HANDLERS", handlers)

    with capture_logs() as logged:
        refused = dispatch.answer(service, dispatch.Caller("api", "here"), "health", b"{}")

    assert [line["event"] for line in logged] == ["kms.failed"]
    assert "canary" not in repr(logged) + repr(refused)


def test_an_app_key_that_was_never_issued_is_refused_and_leaves_an_event(vault: Vault) -> None:
    stranger = AppKey(AppId(new_uuid()), new_uuid(), new_secret())
    with pytest.raises(AppKeyRefusedError):
        kms_of(vault).call(Unlock(stranger.reveal(), "ana@example.org", "whatever it is"), Unlocked)
    with vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT count(*) FROM audit_events WHERE app_id = %(a)s", {"a": stranger.app}
        ).fetchone()
    assert row == (1,)


def test_the_ids_of_an_app_key_are_worth_nothing_without_its_secret(vault: Vault) -> None:
    """They stand in logs and in both databases: whoever has read them there must not be the app."""
    real, other = AppKey.parse(vault.create_app("known by its ids")), AppKey.parse(vault.app_key)
    forged = [AppKey(real.app, real.key, new_secret()), AppKey(real.app, real.key, other.secret)]
    for key in [*forged, AppKey(real.app, other.key, other.secret)]:
        with pytest.raises(AppKeyRefusedError):
            kms_of(vault).call(Unlock(key.reveal(), "ana@example.org", "whatever it is"), Unlocked)
    with vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT count(*) FROM audit_events WHERE app_id = %s AND kind = %s",
            (real.app, int(KeysEvent.APP_REFUSED)),
        ).fetchone()
    assert row == (3,)


class TestMutualTls:
    """On TCP there is only mutual TLS."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    @pytest.fixture
    def url(self, service: KeyService, authority: Authority) -> Iterator[str]:
        port = free_port()
        shown = authority.issue("kms.internal")
        callers = {"api.internal": "api"}
        listener = TlsListener("127.0.0.1", port, shown.certificate, shown.key, authority.path, callers)
        server = KmsServer(service, [listener], threads=2)
        server.start()
        yield f"https://127.0.0.1:{port}"
        server.stop()

    def client(self, url: str, authority: Authority, shown: Certificate) -> KmsClient:
        return KmsClient(url, ClientTls(shown.certificate, shown.key, authority.path))

    def test_a_certificate_whose_name_stands_for_a_caller_gets_in(
        self, url: str, authority: Authority
    ) -> None:
        client = self.client(url, authority, authority.issue("api.internal"))
        assert client.call(Health(), HealthIs).database == "ok"

    def test_a_certificate_of_another_name_is_refused(self, url: str, authority: Authority) -> None:
        client = self.client(url, authority, authority.issue("somebody.internal"))
        with pytest.raises(CallerRefusedError):
            client.call(Health(), HealthIs)

    def test_a_certificate_of_another_authority_does_not_connect(
        self, url: str, authority: Authority, tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other", "other")
        client = self.client(url, authority, other.issue("api.internal"))
        with pytest.raises(KmsUnavailableError):
            client.call(Health(), HealthIs)

    def test_nobody_connects_without_a_certificate(self, url: str, authority: Authority) -> None:
        with pytest.raises(httpx.HTTPError):
            httpx.post(
                f"{url}/v1/health",
                content=b"{}",
                timeout=60,
                verify=ssl.create_default_context(cafile=str(authority.path)),
            )

    def test_an_older_version_of_tls_does_not_connect(self, url: str, authority: Authority) -> None:
        context = ssl.create_default_context(cafile=str(authority.path))
        shown = authority.issue("api.internal")
        context.load_cert_chain(shown.certificate, shown.key)
        assert httpx.post(f"{url}/v1/health", content=b"{}", verify=context, timeout=60).is_success
        context.maximum_version = ssl.TLSVersion.TLSv1_2

        with pytest.raises(httpx.HTTPError):
            httpx.post(f"{url}/v1/health", content=b"{}", verify=context, timeout=60)

    def test_who_fails_to_connect_leaves_a_line_of_the_log_and_nothing_beside_it(
        self,
        url: str,
        authority: Authority,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The server's own lines quote addresses and exceptions, and are no JSON."""
        with caplog.at_level("INFO", "cheroot"):
            self.test_nobody_connects_without_a_certificate(url, authority)
            until(lambda: any(record.name == "cheroot" for record in caplog.records))

        assert "Client" not in capfd.readouterr().err

    def test_clear_text_gets_no_answer(self, url: str) -> None:
        host, port = url.removeprefix("https://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as plain:
            plain.sendall(b"POST /v1/health HTTP/1.1\r\nHost: kms\r\nContent-Length: 2\r\n\r\n{}")
            try:
                said = plain.recv(4096)
            except ConnectionResetError:
                said = b""
        assert b"database" not in said


def test_a_client_refuses_an_address_in_clear_text() -> None:
    with pytest.raises(ConfigurationError):
        KmsClient("http://kms.internal:8472")


def test_the_key_service_refuses_to_listen_in_clear_text(own_vault: Vault) -> None:
    text = own_vault.settings_file.read_text()
    own_vault.settings_file.write_text(
        text.replace("[api]", '[[kms.listeners]]\nhost = "127.0.0.1"\nport = 18472\n[api]')
    )
    said = subprocess.run(
        [sys.executable, "-m", "vault_service.cli", "serve", "kms"], env=own_vault.environment,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert said.returncode == 3
    assert "never in the clear" in said.stderr
