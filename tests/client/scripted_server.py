"""A real HTTP server on loopback that answers from a script and remembers what it was asked.

For what a sound vault never does: breaking off, answering 503 once, ending an export early.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer; `cut_after` bytes of the body the connection is closed."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut_after: int | None = None


class HangUp:
    """Read the request, then close the connection without an answer."""


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Script:
    """Replies still to give, requests seen."""

    url: str = ""
    replies: list[Reply | HangUp] = field(default_factory=list[Reply | HangUp])
    asked: list[Asked] = field(default_factory=list[Asked])

    def then(self, status: int, document: Any = None, **headers: str) -> None:
        """Answer the next request with a JSON document."""
        body = b"" if document is None else json.dumps(document).encode()
        self.replies.append(Reply(status, body, {k.replace("_", "-"): v for k, v in headers.items()}))

    def then_refuse(self, status: int, code: str, **members: Any) -> None:
        """Answer the next request with a problem document."""
        wait = {"Retry-After": str(members.pop("retry_after"))} if "retry_after" in members else {}
        problem = {
            "code": code,
            "status": status,
            "detail": "d",
            "remedy": "r",
            "request_id": "r-1",
            **members,
        }
        headers = {"Content-Type": "application/problem+json", **wait}
        self.replies.append(Reply(status, json.dumps(problem).encode(), headers))


@contextmanager
def scripted_server() -> Iterator[Script]:
    """A server that runs while the block does."""
    script = Script()
    taking_turns = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with taking_turns:
                script.asked.append(Asked(self.command, self.path, headers, body))
                reply = script.replies.pop(0)
            if isinstance(reply, HangUp):
                self.close_connection = True
                return
            self.send_response(reply.status)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut_after])
            self.close_connection = reply.cut_after is not None

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  # the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as above
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
