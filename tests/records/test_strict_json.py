"""What is JSON to this service, and what is refused with a reason instead of being guessed at."""

import json
import math
import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault_service.domain.errors import BodyTooLargeError, MalformedJsonError
from vault_service.records.strict_json import MAX_DEPTH, MAX_INTEGER, MAX_VALUES, check_raw, parse_object


def _nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return b'{"a":' + opening * (depth - 1) + closing * (depth - 1) + b"}"


REFUSED = {
    "nothing": (b"", "line 1, column 1"),
    "white space": (b"  \n ", "Expecting value"),
    "a key twice": (b'{"a":1,"a":2}', "same key twice"),
    "a key twice, once escaped": (b'{"a":1,"\\u0061":2}', "same key twice"),
    "a key twice, deep inside": (b'{"a":[{"b":1,"b":1}]}', "same key twice"),
    "NaN": (b'{"a":NaN}', "NaN is not JSON"),
    "infinity": (b'{"a":Infinity}', "Infinity is not JSON"),
    "minus infinity": (b'{"a":-Infinity}', "-Infinity is not JSON"),
    "an escaped high surrogate": (b'{"a":"\\ud800"}', "half a surrogate pair"),
    "an escaped low surrogate": (b'{"a":"\\uDFFF"}', "half a surrogate pair"),
    "surrogates in the wrong order": (b'{"a":"\\ude00\\ud83d"}', "half a surrogate pair"),
    "a surrogate in a key": (b'{"\\udead":1}', "half a surrogate pair"),
    "a surrogate deep inside": (b'{"a":[{"b":["\\udead"]}]}', "half a surrogate pair"),
    "a surrogate as bytes": (b'{"a":"\xed\xa0\x80"}', "not UTF-8 at byte 6"),
    "NUL, escaped": (b'{"a":"x\\u0000y"}', "NUL"),
    "NUL in a key": (b'{"x\\u0000":1}', "NUL"),
    "NUL as a byte": (b'{"a":"x\x00y"}', "Invalid control character"),
    "a line break in a string": (b'{"a":"x\ny"}', "Invalid control character"),
    "33 levels of arrays": (_nested(33), "more than 32 levels"),
    "33 levels of objects": (b'{"a":' * 32 + b"{}" + b"}" * 32, "more than 32 levels"),
    "a million levels": (_nested(400_000), "more than 32 levels"),
    "a million levels that never end": (b'{"a":' + b"[" * 400_000, "more than 32 levels"),
    "more values than are kept apart": (b'{"a":[' + b"1," * MAX_VALUES + b"1]}", "more than 500000 values"),
    "too many empty arrays": (b'{"a":[' + b"[]," * (MAX_VALUES // 2) + b"[]]}", "more than 500000 values"),
    "an integer too large": (b'{"a":9007199254740992}', "integer is beyond"),
    "an integer too small": (b'{"a":-9007199254740992}', "integer is beyond"),
    "an integer of 5,000 digits": (b'{"a":' + b"1" * 5000 + b"}", "integer is beyond"),
    "a float too large": (b'{"a":1e400}', "beyond what a double holds"),
    "a float too small": (b'{"a":-1e400}', "beyond what a double holds"),
    "a float of 5,000 digits": (b'{"a":0.' + b"1" * 5000 + b"}", "beyond what a double holds"),
    "a leading zero": (b'{"a":01}', "delimiter"),
    "a leading plus": (b'{"a":+1}', "Expecting value"),
    "a hexadecimal number": (b'{"a":0x10}', "delimiter"),
    "an array at the top": (b"[]", "not an object at the top level"),
    "a string at the top": (b'"a"', "not an object at the top level"),
    "a number at the top": (b"1", "not an object at the top level"),
    "null at the top": (b"null", "not an object at the top level"),
    "two objects": (b"{}{}", "Extra data at line 1, column 3"),
    "a trailing comma": (b'{"a":1,}', "at line 1, column"),
    "a comment": (b'{"a":1}//x', "Extra data"),
    "single quotes": (b"{'a':1}", "double quotes"),
    "an unknown escape": (b'{"a":"\\x41"}', "escape"),
    "half an escape": (b'{"a":"\\u12"}', "escape"),
    "a string without end": (b'{"a":"x', "Unterminated string starting at line 1, column 6"),
    "a string that ends in a backslash": (b'{"a":"x\\', "at line 1"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte order mark"),
    "UTF-16 with its mark": ('{"a":1}'.encode("utf-16"), "byte order mark"),
    "UTF-16 without": ('{"a":1}'.encode("utf-16-le"), "line 1, column 2"),
    "Latin-1": ('{"a":"é"}'.encode("latin-1"), "not UTF-8 at byte 6"),
    "an overlong slash": (b'{"a":"\xc0\xaf"}', "not UTF-8 at byte 6"),
}


@pytest.mark.parametrize(("raw", "reason"), REFUSED.values(), ids=REFUSED)
def test_anything_but_one_plain_object_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedJsonError) as refused:
        parse_object(raw)

    assert reason in refused.value.detail


@pytest.mark.parametrize("raw", [entry[0] for entry in REFUSED.values()], ids=REFUSED)
def test_checking_without_parsing_refuses_the_same(raw: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        check_raw(raw)


ACCEPTED = {
    "an empty object": (b" {} \n", {}),
    "the largest integer": (b'{"a":9007199254740991}', {"a": MAX_INTEGER}),
    "the smallest integer": (b'{"a":-9007199254740991}', {"a": -MAX_INTEGER}),
    "a large float": (b'{"a":1.5e308}', {"a": 1.5e308}),
    "a pair of surrogates": (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
    "an escaped backslash before u": (b'{"a":"\\\\ud800\\\\u0000"}', {"a": "\\ud800\\u0000"}),
    "the same key in two objects": (b'{"a":{"x":1},"b":{"x":1}}', {"a": {"x": 1}, "b": {"x": 1}}),
    "keys that only look alike": ('{"é":1,"e\u0301":2}'.encode(), {"é": 1, "e\u0301": 2}),
    "commas in a string": (b'{"a":"' + b"," * (MAX_VALUES + 1) + b'"}', {"a": "," * (MAX_VALUES + 1)}),
    "brackets in a string": (b'{"a":"' + b"[{" * 1000 + b'"}', {"a": "[{" * 1000}),
    "brackets behind an escaped quote": (b'{"a":"\\"' + b"[" * 99 + b'"}', {"a": '"' + "[" * 99}),
    "many brackets side by side": (b'{"a":[' + b"[]," * 99 + b"[]]}", {"a": [[]] * 100}),
}


@pytest.mark.parametrize(("raw", "value"), ACCEPTED.values(), ids=ACCEPTED)
def test_plain_json_is_accepted(raw: bytes, value: object) -> None:
    assert parse_object(raw) == value


def test_32_levels_are_accepted() -> None:
    assert parse_object(_nested(MAX_DEPTH))
    assert parse_object(b'{"a":' * 31 + b"{}" + b"}" * 31)


def test_the_size_is_checked_before_anything_else() -> None:
    with pytest.raises(BodyTooLargeError):
        parse_object(b"\xff" * 11, max_bytes=10)

    assert parse_object(b'{"a": 123}', max_bytes=10) == {"a": 123}


def test_strings_are_counted_before_each_of_them_costs_anything() -> None:
    """And what a string holds is not one."""
    many = 2 * MAX_VALUES + 1
    strings = b'{"a":[' + b'"",' * many + b"1]}"

    tracemalloc.start()
    with pytest.raises(MalformedJsonError, match="more than 500000 values"):
        parse_object(strings, max_bytes=2**24)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 3 * len(strings)

    assert parse_object(b'{"a":"' + b'\\"' * (2 * many) + b'"}', max_bytes=2**24) == {"a": '"' * (2 * many)}


@pytest.mark.parametrize("raw", [b"[]", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"' + b"x" * 90 + b'"}'])
def test_a_refusal_names_the_part_of_the_request(raw: bytes) -> None:
    """A developer who is told of the body looks for the mistake in the wrong place."""
    with pytest.raises((MalformedJsonError, BodyTooLargeError)) as refused:
        parse_object(raw, max_bytes=90, part="fields")

    assert refused.value.detail.startswith("fields: ")


def test_a_refusal_holds_nothing_of_the_text() -> None:
    """Problem documents are logged by apps; field names and values are personal data."""
    secret = "Zw7anzig"
    for raw in (
        f'{{"{secret}":1,"{secret}":2}}', f'{{"a":"{secret}\\ud800"}}', f'{{"a":"{secret}\\q"}}',
        f'{{"a":"{secret}\n"}}', f'{{"a":{secret}}}', f'{{"a":"{secret}', f'{{"a":1}} {secret}',
    ):  # fmt: skip
        with pytest.raises(MalformedJsonError) as refused:
            parse_object(raw.encode())
        assert secret not in refused.value.detail


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.slow
@given(st.dictionaries(_TEXT, _JSON, max_size=5), st.booleans())
@settings(max_examples=300, deadline=None)
def test_every_json_object_survives(value: dict[str, object], escaped: bool) -> None:
    assert parse_object(json.dumps(value, ensure_ascii=escaped).encode()) == value


@pytest.mark.slow
@given(st.binary(max_size=60) | st.text('{}[]",:\\u0d8eE+-.19 aN\n', max_size=60).map(str.encode))
@settings(max_examples=1500, deadline=None)
def test_no_bytes_whatever_raise_another_error_or_are_read_in_another_way(raw: bytes) -> None:
    try:
        value = parse_object(b'{"a":' + raw + b"}")
    except MalformedJsonError:
        return

    assert msgspec.json.decode(b'{"a":' + raw + b"}") == value
    assert all(not isinstance(part, float) or math.isfinite(part) for part in value.values())


@pytest.mark.slow
@given(st.dictionaries(_TEXT, _JSON, min_size=1, max_size=3), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_body_is_refused_or_still_one_clear_object(
    value: dict[str, object], data: st.DataObject
) -> None:
    raw = bytearray(json.dumps(value).encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        parsed = parse_object(bytes(raw))
    except MalformedJsonError:
        return

    assert parse_object(json.dumps(parsed).encode()) == parsed
