"""What a page takes: so much, of one kind, with the members that it declares."""

import io
import socket
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.web.toy import FORM, ORIGIN, Notes, own

JSON = "application/json"
TOKEN = {"X-CSRF-Token": "ana-s-token"}
CHUNKED = {"Transfer-Encoding": "chunked"}

WRONG = {
    "a member too many": b'{"note": "x", "admin": true}',
    "a member too few": b"{}",
    "another type": b'{"note": 1}',
    "a list": b"[]",
    "no JSON": b"note=x",
    "not UTF-8": b'{"note": "\xff"}',
    "very deep": b'{"note": ' + b"[" * 400 + b"]" * 400 + b"}",
    "nothing": b"",
}


@pytest.mark.parametrize("body", WRONG.values(), ids=list(WRONG))
def test_json_that_the_page_does_not_declare_is_refused(ana: FlaskClient, notes: Notes, body: bytes) -> None:
    answer = ana.post("/note", data=body, content_type=JSON, headers=own(**TOKEN))

    assert answer.status_code == 400
    assert notes.written == []


@pytest.mark.parametrize("body", ["note=x&admin=1", "", "note=x&note=y"])
def test_a_form_that_the_page_does_not_declare_is_refused(ana: FlaskClient, notes: Notes, body: str) -> None:
    answer = ana.post("/note", data=f"{body}&csrf_token=ana-s-token", content_type=FORM, headers=own())

    assert answer.status_code == 400
    assert notes.written == []


def test_what_only_a_script_can_go_on_with_is_a_page_in_words_where_none_ran(ana: FlaskClient) -> None:
    """The browser sends a signed form by itself where JavaScript is off, or a script did not come through."""
    by_script = ana.post("/told-back", json={"note": "x"}, headers=own(**TOKEN))
    by_itself = ana.post("/told-back", data="note=x&csrf_token=ana-s-token", content_type=FORM, headers=own())

    assert (by_script.status_code, by_script.json) == (200, {"note": "x"})
    assert (by_itself.status_code, by_itself.mimetype) == (400, "text/html")
    assert "Switch JavaScript on" in by_itself.text


@pytest.mark.parametrize("media_type", [FORM, JSON])
def test_a_body_larger_than_the_page_takes_is_refused(
    ana: FlaskClient, notes: Notes, media_type: str
) -> None:
    body = b'{"note": "' + b"x" * 1024 + b'"}' if media_type == JSON else b"note=" + b"x" * 1024

    answer = ana.post("/note", data=body, content_type=media_type, headers=own(**TOKEN))

    assert answer.status_code == 413
    assert notes.written == []


@pytest.mark.parametrize("media_type", [FORM, JSON])
def test_so_is_one_that_does_not_say_how_large_it_is(ana: FlaskClient, notes: Notes, media_type: str) -> None:
    """Chunked: only the reading shows. Cut off where it may end, it would be a form all the same."""
    form = b"csrf_token=ana-s-token&note=" + b"x" * 5000
    body = io.BytesIO(b'{"note": "x"}' + b" " * 5000 if media_type == JSON else form)

    answer = ana.post(
        "/note", input_stream=body, content_type=media_type, headers=own(**TOKEN, **CHUNKED),
        environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip

    assert answer.status_code == 413
    assert notes.written == []
    assert body.read() == b""


@pytest.mark.parametrize(
    "body", [b"note=%ff&csrf_token=ana-s-token", "note=\u00e9&csrf_token=ana-s-token".encode()]
)
def test_a_form_that_is_not_in_utf_8_or_not_encoded_is_refused(
    ana: FlaskClient, notes: Notes, body: bytes
) -> None:
    assert ana.post("/note", data=body, content_type=FORM, headers=own()).status_code == 400
    assert notes.written == []


@pytest.mark.parametrize("server", [{}, {"wsgi.input_terminated": True}], ids=["any", "one that ends bodies"])
def test_a_form_that_broke_off_is_refused(ana: FlaskClient, notes: Notes, server: dict[str, bool]) -> None:
    """What arrived of it is a form as well, with less in it."""
    body = io.BytesIO(b"csrf_token=ana-s-token&note=pay+100")

    answer = ana.post(
        "/note", input_stream=body, content_type=FORM, headers=own(),
        environ_overrides={"CONTENT_LENGTH": "60", **server},
    )  # fmt: skip

    assert answer.status_code == 400
    assert notes.written == []


def test_a_number_is_a_number_in_json_and_digits_in_a_form(ana: FlaskClient, notes: Notes) -> None:
    script = ana.post("/count", data=b'{"n": "1"}', content_type=JSON, headers=own(**TOKEN))
    form = ana.post("/count", data="n=2&csrf_token=ana-s-token", content_type=FORM, headers=own())

    assert (script.status_code, form.status_code) == (400, 303)
    assert notes.written == ["2"]


def test_an_id_has_one_spelling(ana: FlaskClient) -> None:
    known = "01a20bd4-b9cf-720c-91f9-0159d46a5734"

    assert ana.get(f"/by-id/{known}").status_code == 200
    for other in (known.upper(), known.replace("-", ""), f"{{{known}}}", f"{known} ", "1"):
        assert ana.get(f"/by-id/{other}").status_code == 404


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    """The toy on a real socket."""
    server = make_server("127.0.0.1", 0, app, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_header_is_not_written_by_what_somebody_sends(port: int) -> None:
    """Response splitting: the place to go back to ends up in Location."""
    body = b"language=en&back=%2Fnote%0d%0aX-Injected%3A+1"
    head = f"POST /language HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nContent-Type: {FORM}\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert b"\r\nX-Injected" not in answer
    assert b"\r\nLocation: /\r\n" in answer
