"""Pages of an attacker, on another site than the console's: a browser takes them for strangers."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from flask import Flask, Response
from werkzeug.serving import WSGIRequestHandler, make_server


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@dataclass
class Elsewhere:
    """Serves whatever a test puts into `page`."""

    url: str
    page: str = ""
    asked: list[str] = field(default_factory=list[str])


@contextlib.contextmanager
def running_elsewhere() -> Iterator[Elsewhere]:
    """On 127.0.0.1, which is another site than localhost."""
    app = Flask("elsewhere")
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    made = Elsewhere(f"http://127.0.0.1:{server.server_port}")

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def show(path: str) -> Response:
        made.asked.append(path)
        return Response(made.page, content_type="text/html; charset=utf-8")

    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
