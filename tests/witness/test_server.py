"""How a witness is reached: by whom on a socket, by TLS from elsewhere, and however slow others are."""

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.dev.waiting import until
from tests.rig.certificates import Authority
from tests.rig.vault import free_port
from tests.witness.watched import Log, ours, over, raw, serving
from vault_service.domain.errors import ConfigurationError
from vault_service.witness.server import ServerTls, TcpListener, UnixListener, WitnessServer
from vault_service.witness.witness import Witness

pytestmark = pytest.mark.slow

_NOBODY = 65534  # Debian's user of that name
_HEAD = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_of_the_host_is_refused_by_the_socket(witness: Witness, scratch: Path) -> None:
    path = scratch / "peers.sock"
    program = f"""
import socket
s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r})
s.sendall(b"GET /healthz HTTP/1.0\\r\\n\\r\\n")
print(s.makefile().readline())
"""

    def said_to(uid: int) -> str:
        return subprocess.run(
            ["/usr/bin/python3", "-c", program], user=uid, group=uid, capture_output=True, text=True,
            timeout=60, check=True,
        ).stdout.strip()  # fmt: skip

    with serving(witness, [UnixListener(path, frozenset({0, _NOBODY - 1}))]):
        assert said_to(_NOBODY) == "HTTP/1.1 403 Forbidden"
        assert said_to(_NOBODY - 1) == "HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "10.0.0.1", "witness.example.org", "::", "127.0.0.1.example.org"]
)
def test_clear_text_never_leaves_the_host(host: str) -> None:
    with pytest.raises(ConfigurationError, match="needs TLS"):
        TcpListener(host, 8475)


def test_on_loopback_a_proxy_may_stand_before_it(witness: Witness, log: Log) -> None:
    port = free_port()
    with serving(witness, [TcpListener("127.0.0.1", port)]):
        answer = httpx.post(
            f"http://127.0.0.1:{port}/add-checkpoint", content=log.request(0), trust_env=False, timeout=60
        )
    assert answer.status_code == 200


def test_a_port_that_somebody_has_is_named(witness: Witness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = WitnessServer(witness, [TcpListener("127.0.0.1", taken.getsockname()[1])])
        with pytest.raises(ConfigurationError, match="cannot listen"):
            server.start()


class TestTls:
    """From other hosts there is only TLS 1.3."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    def listener(self, authority: Authority, *, client_ca: Path | None = None) -> TcpListener:
        shown = authority.issue("witness.internal")
        return TcpListener("127.0.0.1", free_port(), ServerTls(shown.certificate, shown.key, client_ca))

    def context(self, authority: Authority) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(authority.path))

    def test_a_checkpoint_is_cosigned_over_tls(
        self, witness: Witness, log: Log, authority: Authority
    ) -> None:
        listener = self.listener(authority)
        with serving(witness, [listener]):
            url = f"https://127.0.0.1:{listener.port}"
            with httpx.Client(
                base_url=url, verify=self.context(authority), trust_env=False, timeout=60
            ) as client:
                answers = [client.post("/add-checkpoint", content=log.request(old)) for old in (0, 5)]
        assert [answer.status_code for answer in answers] == [200, 200]

    def test_where_clients_must_show_a_certificate_nobody_gets_in_without(
        self, witness: Witness, authority: Authority, tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other", "other")
        listener = self.listener(authority, client_ca=authority.path)
        with serving(witness, [listener]):
            mine, theirs = authority.issue("worker.internal"), other.issue("worker.internal")
            for shown, gets_in in ((mine, True), (theirs, False), (None, False)):
                context = self.context(authority)
                if shown is not None:
                    context.load_cert_chain(shown.certificate, shown.key)
                try:
                    answer = httpx.get(
                        f"https://127.0.0.1:{listener.port}/healthz",
                        verify=context,
                        trust_env=False,
                        timeout=60,
                    )
                    assert gets_in, answer.text
                    assert answer.text == "ok\n"
                except httpx.HTTPError:
                    assert not gets_in

    def test_older_tls_and_clear_text_get_nothing(self, witness: Witness, authority: Authority) -> None:
        listener = self.listener(authority)
        old = self.context(authority)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with serving(witness, [listener]):
            with pytest.raises(httpx.HTTPError):
                httpx.get(
                    f"https://127.0.0.1:{listener.port}/healthz", verify=old, trust_env=False, timeout=60
                )
            with socket.create_connection(("127.0.0.1", listener.port), timeout=60) as plain:
                plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: w\r\n\r\n")
                with contextlib.suppress(ConnectionResetError):
                    assert b"HTTP/1.1 200" not in plain.recv(4096)

    def test_who_connects_and_says_nothing_does_not_hold_up_the_others(
        self, witness: Witness, log: Log, authority: Authority
    ) -> None:
        """The handshake is not the accepting thread's business."""
        listener = self.listener(authority)
        with serving(witness, [listener], timeout_s=60), contextlib.ExitStack() as silent:
            for _ in range(8):
                silent.enter_context(socket.create_connection(("127.0.0.1", listener.port)))
            answer = httpx.post(
                f"https://127.0.0.1:{listener.port}/add-checkpoint", content=log.request(0),
                verify=self.context(authority), trust_env=False, timeout=60,
            )  # fmt: skip
            assert answer.status_code == 200


def test_who_sends_a_byte_now_and_then_is_cut_off(witness: Witness, scratch: Path) -> None:
    """A time-out from byte to byte alone would let a few such clients have all threads for ever."""
    path = scratch / "drip.sock"
    with serving(witness, [ours(path)], timeout_s=1), raw(path) as slow:
        slow.sendall(_HEAD % 10_000)

        def is_cut_off() -> bool:
            try:
                slow.sendall(b"x")
            except OSError:
                return True
            time.sleep(0.1)
            return False

        until(is_cut_off)


def test_slow_clients_do_not_hold_up_the_log(witness: Witness, log: Log, scratch: Path) -> None:
    path = scratch / "slow.sock"
    with serving(witness, [ours(path)]), contextlib.ExitStack() as slow:
        for _ in range(8):
            slow.enter_context(raw(path)).sendall(_HEAD % 10_000 + b"old")
        with over(path) as client:
            assert client.post("/add-checkpoint", content=log.request(0)).status_code == 200


def test_a_body_that_ends_early_counts_for_nothing(witness: Witness, log: Log, scratch: Path) -> None:
    path = scratch / "early.sock"
    body = log.request(0)
    with serving(witness, [ours(path)]), raw(path) as connection:
        connection.sendall(_HEAD % (len(body) + 1) + body)
        connection.shutdown(socket.SHUT_WR)
        assert not connection.recv(100).startswith(b"HTTP/1.1 200")
    assert witness.heads() == ()


def test_a_request_that_is_under_way_is_answered_before_the_end(
    witness: Witness, log: Log, scratch: Path
) -> None:
    path = scratch / "end.sock"
    body = log.request(0)
    server = WitnessServer(witness, [ours(path)])
    server.start()
    with raw(path) as connection:
        head = _HEAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        connection.sendall(head % len(body))
        assert b"100 Continue" in connection.recv(100)  # so it has been begun
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        until(lambda: not server._servers[0].ready)
        time.sleep(0.3)  # a server without patience would have given it up by now
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        stopping.join()
    assert [head.size for head in witness.heads()] == [5]
