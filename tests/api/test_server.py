"""The process that serves: where it listens, and what becomes of requests when it is stopped or killed."""

import contextlib
import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.api.serve_face import serve_face
from tests.dev.waiting import is_running
from tests.rig.certificates import Authority
from tests.rig.clear_text import CLEAR_TEXT
from tests.rig.forked import FORKS, Forked
from tests.rig.started import start_forked_api
from tests.rig.vault import Vault, free_port
from vault_service.domain.errors import ConfigurationError
from vault_service.settings import Api, Database, KmsClient, Tls
from vault_service.web.listening import refuse_clear_text

pytestmark = pytest.mark.slow

_PATIENCE_S = 60.0


def settings(host: str = "127.0.0.1", tls: Tls | None = None, *, behind_proxy: bool = False) -> Api:
    return Api(
        host=host, port=free_port(), metrics_port=free_port(), tls=tls, tls_terminated_by_proxy=behind_proxy,
        database=Database(dsn="", password_file=Path("/nowhere")), kms=KmsClient(url="unix:/nowhere"),
    )  # fmt: skip


LOCAL = ["127.0.0.1", "127.8.8.8", "::1", "localhost", "unix:/run/vault/api.sock"]
OPEN = ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "vault.example", "2001:db8::1", ""]


@pytest.mark.parametrize("host", LOCAL)
def test_clear_text_is_served_where_nobody_can_listen(host: str) -> None:
    refuse_clear_text(settings(host), "api")


@pytest.mark.parametrize("host", OPEN)
def test_clear_text_is_refused_anywhere_else(host: str) -> None:
    with pytest.raises(ConfigurationError, match="clear text"):
        refuse_clear_text(settings(host), "api")
    refuse_clear_text(settings(host, Tls(certificate=Path("c"), key=Path("k"))), "api")
    refuse_clear_text(settings(host, behind_proxy=True), "api")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def answers(client: httpx.Client, path: str = "/query") -> bool:
    try:
        return client.get(path).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@contextlib.contextmanager
def serving(api: Api, folder: Path, arrive_within_s: float | None = None) -> Iterator[Forked]:
    """The tests' own routes on the real server."""
    os.mkfifo(folder / "go")
    (folder / "log").touch()
    process = Forked(FORKS.Process(target=serve_face, args=(api, folder, arrive_within_s)))
    try:
        yield process
    except BaseException as error:
        error.add_note(
            f"the server (exit code {process.poll()}) said last:\n{(folder / 'log').read_text()[-2000:]}"
        )
        raise
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def clear(address: str, timeout_s: float = _PATIENCE_S) -> httpx.Client:
    return httpx.Client(base_url=address, timeout=timeout_s, trust_env=False, verify=CLEAR_TEXT)


@dataclass(frozen=True)
class Shared:
    """One server for the tests that do it no harm."""

    port: int
    log: Path

    def client(self) -> httpx.Client:
        return clear(f"http://127.0.0.1:{self.port}")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    api, folder = settings(), tmp_path_factory.mktemp("shared")
    server = Shared(api.port, folder / "log")
    with serving(api, folder):
        with server.client() as client:
            until(lambda: answers(client))
        yield server


def worker_of(master: int) -> int:
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return int(children[0]) if children else 0


def test_a_request_that_is_under_way_is_finished_when_the_service_is_told_to_stop(tmp_path: Path) -> None:
    api = settings()
    client = clear(f"http://127.0.0.1:{api.port}", 30)
    statuses: list[int] = []
    with serving(api, tmp_path) as process, client:
        until(lambda: answers(client))
        asking = threading.Thread(target=lambda: statuses.append(client.get("/wait").status_code))
        asking.start()
        with (tmp_path / "go").open("wb") as go:  # opens when the request is waiting at the other end
            process.send_signal(signal.SIGTERM)
            # Soon given up: until the end, the kernel may take a connection that nobody answers.
            with clear(str(client.base_url), 5.0) as newcomer:
                until(lambda: not answers(newcomer))
            go.write(b"on")
        asking.join(_PATIENCE_S)

    assert statuses == [200]
    assert process.returncode == 0


def test_a_client_that_sends_too_much_sees_why_it_is_refused(shared: Shared) -> None:
    """A server that leaves bytes unread resets the connection, and the answer may be lost with it."""
    with shared.client() as client:
        body, headers = b"x" * 100_000, {"Content-Type": "application/json"}

        statuses = {client.post("/echo", content=body, headers=headers).status_code for _ in range(60)}

    assert statuses == {413}


JSON_BODY = b"POST /echo HTTP/1.1\r\nHost: vault\r\nContent-Type: application/json\r\n"
SILENT = {
    "in the headers": b"POST /echo HTTP/1.1\r\nHost: vault\r\n",
    "in the body": JSON_BODY + b"Content-Length: 15\r\n\r\n{",
    "when the answer comes": b"GET /stream/endless HTTP/1.1\r\nHost: vault\r\n\r\n",
}


@pytest.mark.parametrize("sent", SILENT.values(), ids=SILENT.keys())
def test_clients_that_fall_silent_do_not_keep_all_threads(sent: bytes, tmp_path: Path) -> None:
    api = settings()
    address = f"http://127.0.0.1:{api.port}"
    with serving(api, tmp_path), contextlib.ExitStack() as stack:
        with clear(address) as early:
            until(lambda: answers(early))
        for _ in range(api.threads):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", api.port)))
            silent.sendall(sent)

        # its connection comes after theirs
        with clear(address, _PATIENCE_S) as client:
            assert answers(client)


@pytest.mark.parametrize("sent", [b"GET /query HTTP/1.1\r\nX: ", JSON_BODY + b"Content-Length: 1000\r\n\r\n"])
def test_clients_that_send_a_byte_now_and_then_do_not_keep_all_threads(sent: bytes, tmp_path: Path) -> None:
    """None of them ever falls silent."""
    api = settings()
    address, answered = f"http://127.0.0.1:{api.port}", threading.Event()

    def trickle(peers: list[socket.socket]) -> None:
        while not answered.wait(0.2):
            for peer in peers:
                with contextlib.suppress(OSError):
                    peer.send(b"x")

    with serving(api, tmp_path, arrive_within_s=2), contextlib.ExitStack() as stack:
        with clear(address) as early:
            until(lambda: answers(early))
        peers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", api.port))) for _ in range(api.threads)
        ]
        for peer in peers:
            peer.sendall(sent)
        sender = threading.Thread(target=trickle, args=(peers,))
        sender.start()
        try:
            with clear(address, _PATIENCE_S) as client:
                assert answers(client)
        finally:
            answered.set()
            sender.join()


@pytest.mark.parametrize("chunks", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n"])
def test_malformed_chunks_are_400(chunks: bytes, shared: Shared) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=_PATIENCE_S) as peer:
        peer.sendall(JSON_BODY + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        said = b"".join(iter(lambda: peer.recv(4096), b""))

    assert said.startswith(b"HTTP/1.1 400 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["code"] == "request.invalid"


def test_an_address_may_hold_a_whole_condition_and_a_longer_one_is_told_to_be_too_long(
    shared: Shared,
) -> None:
    with shared.client() as client:
        whole, longer = (client.get("/query", params={"flag": "x" * n}) for n in (8000, 9000))

    assert whole.status_code == 200
    assert (longer.status_code, longer.json()["detail"]) == (
        400, "request: its address or its headers are too long",
    )  # fmt: skip


def test_what_is_not_http_gets_a_problem_document_that_quotes_nothing(shared: Shared) -> None:
    before = shared.log.stat().st_size
    with socket.create_connection(("127.0.0.1", shared.port), timeout=_PATIENCE_S) as peer:
        peer.sendall(b"GET /query HTTP/1.1\r\nHost: vault\r\nCanary 77: x\r\n\r\n")
        said = b"".join(iter(lambda: peer.recv(4096), b""))

    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["code"] == "request.invalid"
    log = shared.log.read_bytes()[before:]
    assert b"http.refused" in log
    assert b"Canary" not in said + log


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    api = settings()
    with (
        serving(api, tmp_path) as process,
        clear(f"http://127.0.0.1:{api.port}") as client,
    ):
        until(lambda: answers(client))
        killed = worker_of(process.pid)
        os.kill(killed, signal.SIGKILL)

        until(lambda: worker_of(process.pid) not in {0, killed} and answers(client))


def test_a_unix_socket_is_for_its_owner_and_group(tmp_path: Path, scratch: Path) -> None:
    path = scratch / f"api-{os.getpid()}.sock"
    transport = httpx.HTTPTransport(uds=str(path), verify=CLEAR_TEXT)
    with (
        serving(settings(f"unix:{path}"), tmp_path),
        httpx.Client(base_url="http://vault", transport=transport, timeout=_PATIENCE_S) as client,
    ):
        until(lambda: answers(client))

        assert path.stat().st_mode & 0o777 == 0o660
        assert "Strict-Transport-Security" not in client.get("/query").headers


def test_tls_1_3_is_served_and_nothing_older(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("vault.test")
    api = settings(tls=Tls(certificate=issued.certificate, key=issued.key))
    trusting, older = (ssl.create_default_context(cafile=str(authority.path)) for _ in range(2))
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    address = f"https://127.0.0.1:{api.port}"
    with (
        serving(api, tmp_path),
        httpx.Client(base_url=address, verify=trusting, trust_env=False, timeout=_PATIENCE_S) as client,
        httpx.Client(base_url=address, verify=older, trust_env=False, timeout=_PATIENCE_S) as dated,
        clear(f"http://127.0.0.1:{api.port}") as bare,
    ):
        until(lambda: answers(client))

        assert "max-age=" in client.get("/query").headers["Strict-Transport-Security"]
        for refused in (dated, bare):
            with pytest.raises(httpx.TransportError):
                refused.get("/query")


def test_where_an_authority_of_clients_is_named_nobody_gets_in_without_its_certificate(
    tmp_path: Path,
) -> None:
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other", "other")
    issued = authority.issue("vault.test")
    api = settings(tls=Tls(certificate=issued.certificate, key=issued.key, ca=authority.path))
    known, strange, bare = (ssl.create_default_context(cafile=str(authority.path)) for _ in range(3))
    for context, shown in ((known, authority.issue("proxy.test")), (strange, other.issue("proxy.test"))):
        context.load_cert_chain(shown.certificate, shown.key)
    address = f"https://127.0.0.1:{api.port}"
    with (
        serving(api, tmp_path),
        httpx.Client(base_url=address, verify=known, trust_env=False, timeout=_PATIENCE_S) as client,
        httpx.Client(base_url=address, verify=strange, trust_env=False, timeout=_PATIENCE_S) as stranger,
        httpx.Client(base_url=address, verify=bare, trust_env=False, timeout=_PATIENCE_S) as nobody,
    ):
        until(lambda: answers(client))

        for refused in (stranger, nobody):
            with pytest.raises(httpx.TransportError):
                refused.get("/query")


def test_a_worker_does_not_outlive_a_master_that_is_killed(own_vault: Vault) -> None:
    """Else it would go on serving, unsupervised, on a port that its successor needs."""
    master = start_forked_api(own_vault).popen.pid
    worker = worker_of(master)

    own_vault.running["api"].kill()

    until(lambda: not is_running(worker))
    start_forked_api(own_vault)


def test_figures_are_served_on_a_port_of_their_own_on_loopback(served: Vault) -> None:
    with clear(served.api_url) as api, clear(f"http://127.0.0.1:{served.metrics_port}") as metrics:
        api.get("/v1/records/0190a5b0-7e3f-7abc-8def-0123456789ab")
        figures = metrics.get("/metrics").text
        there_too = api.get("/metrics").status_code

    assert 'vault_requests_total{method="GET",route="/v1/records/<record_id>",status="401"}' in figures
    assert 'vault_kms_calls_total{call="health",outcome="ok"}' in figures
    assert 'vault_db_pool{figure="pool_size"}' in figures
    assert there_too == 404
    assert "0190a5b0" not in figures
