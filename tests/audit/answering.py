"""A peer on a socket that answers what a test says, byte by byte if need be: what no witness would do."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Answer = Callable[[bytes], bytes | None]
"""From the request's body to all bytes of the answer; None: say nothing and keep the connection."""


def http(status: int, body: str = "", content_type: str = "text/plain") -> bytes:
    length = f"Content-Length: {len(body.encode())}"
    return f"HTTP/1.1 {status} Whatever\r\nContent-Type: {content_type}\r\n{length}\r\n\r\n{body}".encode()


@contextlib.contextmanager
def answering(path: Path, answer: Answer, *, pause_s: float = 0.0) -> Iterator[list[bytes]]:
    """Answer at this path; yields the bodies that came. With a pause, one byte at a time."""
    bodies: list[bytes] = []
    stop = threading.Event()
    with socket.socket(socket.AF_UNIX) as server:
        path.unlink(missing_ok=True)
        server.bind(str(path))
        server.listen(16)
        server.settimeout(0.05)

        def serve_one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(20)
                body = _body(connection)
                bodies.append(body)
                said = answer(body)
                if said is None:
                    stop.wait(20)
                elif not pause_s:
                    connection.sendall(said)
                else:
                    for byte in said:
                        connection.sendall(bytes([byte]))
                        if stop.wait(pause_s):
                            return

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    threading.Thread(target=serve_one, args=(server.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield bodies
        finally:
            stop.set()
            thread.join()


def _body(connection: socket.socket) -> bytes:
    def more() -> bytes:
        if piece := connection.recv(4096):
            return piece
        raise ConnectionResetError  # else this would go round for ever

    data = b""
    while b"\r\n\r\n" not in data:
        data += more()
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += more()
    return body
