"""Real TLS listeners that a test can script, hang, kill and start again on the same port."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from tests.rig.certificates import Certificate

Conversation = Callable[[ssl.SSLSocket], None]
LOOPBACK = "127.0.0.1"


def server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


@dataclass
class TlsListener:
    """Talks to each client as it is told, in a thread for each."""

    context: ssl.SSLContext
    talk: Conversation
    port: int = 0
    names: list[str | None] = field(default_factory=list)  # that clients asked for (SNI)
    accepted: int = 0
    _listener: socket.socket | None = None
    _clients: list[socket.socket] = field(default_factory=list)

    def start(self) -> None:
        def note(_socket: object, name: str | None, _context: object) -> None:
            self.names.append(name)

        self.context.sni_callback = note
        listener = socket.create_server((LOOPBACK, self.port))
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """As when its process is killed: what is open is cut off."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for client in self._clients:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(client, socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.settimeout(20)
            with self.context.wrap_socket(client, server_side=True) as secured:
                self.talk(secured)


@contextlib.contextmanager
def listening(context: ssl.SSLContext, talk: Conversation) -> Generator[TlsListener]:
    listener = TlsListener(context, talk)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


@dataclass(frozen=True)
class HttpRequest:
    """What came."""

    line: str
    headers: dict[str, str]  # names in lower case
    body: bytes


def read_request(client: ssl.SSLSocket) -> HttpRequest:
    """One request, whole."""
    with client.makefile("rb") as file:
        line = file.readline().decode().rstrip("\r\n")
        headers: dict[str, str] = {}
        while (field := file.readline().decode().rstrip("\r\n")) != "":
            name, _, value = field.partition(": ")
            assert name.lower() not in headers, "a header twice"
            headers[name.lower()] = value
        return HttpRequest(line, headers, file.read(int(headers.get("content-length", "0"))))


def answer(client: ssl.SSLSocket, status: int, **headers: str) -> None:
    """The shortest that is HTTP."""
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    client.sendall(f"HTTP/1.1 {status} Whatever\r\n{fields}Content-Length: 0\r\n\r\n".encode())
