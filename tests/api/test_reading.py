"""Requests are read in one way only; whatever else comes is a 400, 413 or 415 that says why."""

import io

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from vault_service.api.route import MAX_BODY

JSON = {"Content-Type": "application/json"}

HOSTILE = {
    "nothing": b"",
    "not JSON": b"login=ana",
    "an array": b"[]",
    "two objects": b'{"name":"a"}{}',
    "a trailing comma": b'{"name":"a",}',
    "a key twice": b'{"name":"a","name":"b"}',
    "a key twice, once escaped": b'{"name":"a","n\\u0061me":"b"}',
    "a key twice in the fields": b'{"name":"a","fields":{"x":1,"x":2}}',
    "NaN": b'{"name":"a","fields":{"x":NaN}}',
    "infinity": b'{"name":"a","fields":{"x":-Infinity}}',
    "a number beyond doubles": b'{"name":"a","fields":{"x":1e999}}',
    "an integer beyond 2^53": b'{"name":"a","fields":{"x":9007199254740993}}',
    "an integer of 4,000 digits": b'{"name":"a","fields":{"x":' + b"9" * 3900 + b"}}",
    "a lone surrogate": b'{"name":"\\ud800"}',
    "NUL": b'{"name":"a\\u0000b"}',
    "bytes that are not UTF-8": b'{"name":"\xff\xfe"}',
    "UTF-16": '{"name":"a"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"name":"a"}',
    "nested deeper than the route allows": b'{"name":"a","fields":' + b"[" * 8 + b"]" * 8 + b"}",
    "nested 2,000 deep and never closed": b'{"name":' + b"[" * 2000,
    "no name": b"{}",
    "a name of another type": b'{"name":1}',
    "a name that is null": b'{"name":null}',
    "a name that is too long": b'{"name":"' + b"a" * 21 + b'"}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_a_problem_that_says_why(body: bytes, face: FlaskClient) -> None:
    answer = face.post("/echo", data=body, headers=JSON)

    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert answer.json is not None
    assert answer.json["code"] in {"request.malformed_json", "request.invalid"}
    assert answer.json["detail"]


def test_fields_are_kept_byte_for_byte(face: FlaskClient) -> None:
    """Not even white space, the order of keys, escapes or the spelling of numbers may change."""
    fields = '{ "b" : 1.0 ,\n"a":"\\u00e9é \\/", "n": 1E2, "z": [ ] }'.encode()

    answer = face.post("/echo", data=b'{"name":"a","fields":' + fields + b"}", headers=JSON)

    assert fields in answer.data


def test_unknown_members_are_named(face: FlaskClient) -> None:
    answer = face.post("/echo", json={"name": "a", "nmae": "b", "admin": True})

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["detail"] == "body: 'admin', 'nmae' is not known here; it takes name, fields"


def test_a_wrong_member_is_named_without_its_value(face: FlaskClient) -> None:
    answer = face.post("/echo", json={"name": ["hunter2"]})

    assert answer.json is not None
    assert answer.json["detail"] == "name: Expected `str`, got `array`"


@pytest.mark.parametrize(
    "media_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/merge-patch+json",
     "multipart/form-data"],
)  # fmt: skip
def test_another_media_type_is_415(media_type: str, face: FlaskClient) -> None:
    answer = face.post("/echo", data=b'{"name":"a"}', headers={"Content-Type": media_type})

    assert answer.status_code == 415
    assert answer.json is not None
    assert answer.json["code"] == "request.media_type"


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "us-ascii", "utf-7"])
def test_json_that_says_it_is_in_another_charset_is_400(charset: str, face: FlaskClient) -> None:
    answer = face.post(
        "/echo", data=b'{"name":"a"}', headers={"Content-Type": f"application/json; charset={charset}"}
    )

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["code"] == "request.malformed_json"


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", '; charset="UTF-8"'])
def test_json_in_utf_8_is_accepted(charset: str, face: FlaskClient) -> None:
    answer = face.post("/echo", data=b'{"name":"a"}', headers={"Content-Type": f"application/json{charset}"})

    assert answer.status_code == 200


def test_a_compressed_body_is_415(face: FlaskClient) -> None:
    """A few bytes of gzip may hold gigabytes."""
    answer = face.post("/echo", data=b'{"name":"a"}', headers={**JSON, "Content-Encoding": "gzip"})

    assert answer.status_code == 415


class _Endless(io.RawIOBase):
    """A body without a length that remembers how much of it was read."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what RawIOBase calls
        buffer[:] = b" " * len(buffer)
        self.taken += len(buffer)
        return len(buffer)


def test_a_body_of_the_limit_is_read_and_one_byte_more_is_413(face: FlaskClient) -> None:
    body = b'{"name":"a"}'

    at_limit = face.post("/echo", data=body.ljust(4096), headers=JSON)
    above = face.post("/echo", data=body.ljust(4097), headers=JSON)

    assert (at_limit.status_code, above.status_code) == (200, 413)
    assert above.json is not None
    assert above.json["code"] == "request.too_large"


def test_a_body_that_announces_too_much_is_refused_unread(face: FlaskClient) -> None:
    body = _Endless()

    answer = face.post("/echo", headers=JSON, environ_overrides={
        "wsgi.input": body, "CONTENT_LENGTH": "4097",
    })  # fmt: skip

    assert (answer.status_code, body.taken) == (413, 0)


def test_a_chunked_body_without_end_is_read_no_further_than_the_limit(face: FlaskClient) -> None:
    body = _Endless()
    environ = EnvironBuilder("/echo", method="POST", headers=list(JSON.items())).get_environ()
    environ.pop("CONTENT_LENGTH", None)
    environ |= {"wsgi.input": body, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}

    _, status, _ = run_wsgi_app(face.application, environ)

    assert status == "413 REQUEST ENTITY TOO LARGE"
    assert body.taken <= 17 * MAX_BODY  # dropped piece by piece, so that the client sees the refusal


def test_a_query_is_read_by_its_declared_types(face: FlaskClient) -> None:
    answer = face.get("/query?limit=7&where=email:a%40b&where=phone:%2B351&flag=")

    assert answer.json == {"limit": 7, "where": ["email:a@b", "phone:+351"], "flag": ""}


BAD_QUERIES = {
    "unknown": ("limt=7&x=1", "query: 'limt', 'x' is not known here"),
    "not a number": ("limit=many", "limit: Expected `int`"),
    "too small": ("limit=0", "limit: Expected `int` >= 1"),
    "too large": ("limit=201", "limit: Expected `int` <= 200"),
    "twice": ("limit=1&limit=2", "limit: given more than once"),
    "not UTF-8": ("flag=%ff", "query: not percent-encoded UTF-8"),
    "a hundred": ("where=x&" * 100, "query: more than 32 parameters"),
}


@pytest.mark.parametrize(("query", "detail"), BAD_QUERIES.values(), ids=BAD_QUERIES.keys())
def test_a_bad_query_is_a_problem_that_names_the_parameter(
    query: str, detail: str, face: FlaskClient
) -> None:
    answer = face.get(f"/query?{query}")

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["detail"].startswith(detail)


def test_a_route_that_takes_no_query_refuses_one(face: FlaskClient) -> None:
    answer = face.post("/echo?token=x", json={"name": "a"})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "spelling",
    ["x", "0", "{%s}", "urn:uuid:%s", "%s0", "%s%%00", "..%%2f%s"],
)
def test_an_id_in_any_but_its_usual_spelling_names_nothing(spelling: str, face: FlaskClient) -> None:
    usual = "0190a5b0-7e3f-7abc-8def-0123456789ab"

    assert face.get(f"/things/{usual}").status_code == 200
    assert face.get(f"/things/{spelling.replace('%s', usual).replace('%%', '%')}").status_code == 404
    assert face.get(f"/things/{usual.replace('-', '')}").status_code == 404


@pytest.mark.parametrize("key", ["a" * 255, "!", "~", "0190a5b0-7e3f-7abc-8def-0123456789ab"])
def test_an_idempotency_key_is_visible_ascii(key: str, face: FlaskClient) -> None:
    assert face.post("/echo", json={"name": "a"}, headers={"Idempotency-Key": key}).status_code == 200


@pytest.mark.parametrize("key", ["", "a" * 256, "a b", "é", "\x7f", "a, b"])
def test_any_other_idempotency_key_is_refused(key: str, face: FlaskClient) -> None:
    answer = face.post("/echo", json={"name": "a"}, headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["detail"].startswith("Idempotency-Key")
