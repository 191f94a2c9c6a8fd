"""JSON Merge Patch. The table is that of RFC 7396, appendix A."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault_service.records.merge_patch import merge_patch
from vault_service.records.strict_json import JsonValue

RFC_7396_APPENDIX_A: list[tuple[JsonValue, JsonValue, JsonValue]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
_OBJECTS: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
)


def patched(target: JsonValue, patch: JsonValue) -> JsonValue:
    value: JsonValue = json.loads(merge_patch(json.dumps(target).encode(), json.dumps(patch).encode()))
    return value


@pytest.mark.parametrize(("original", "patch", "result"), RFC_7396_APPENDIX_A)
def test_the_examples_of_the_rfc(original: JsonValue, patch: JsonValue, result: JsonValue) -> None:
    assert patched(original, patch) == result


@given(_OBJECTS, _OBJECTS)
def test_a_patch_applied_twice_changes_nothing_more(target: JsonValue, patch: JsonValue) -> None:
    once = patched(target, patch)

    assert patched(once, patch) == once


@pytest.mark.parametrize(
    "untouched",
    [
        b"0.10000000000000000555",
        b"-0",
        b"1e-400",
        b"1.0",
        b"1E2",
        b'"\\u00e9\\/"',
        b"[ 1,\n2 ]",
        b'{ "z" : 1.50 }',
    ],
)
def test_what_a_patch_does_not_name_keeps_its_bytes(untouched: bytes) -> None:
    """At the top and inside of what it names; a number that is read and written again may lose digits."""
    target = b'{"a": %s, "b": {"c": %s, "d": 1}, "e": 2}' % (untouched, untouched)

    changed = merge_patch(target, b' { "b" : { "d" : 1.50 } , "e" : null , "f" : 2.0 } ')

    assert changed == b'{"a":%s,"b":{"c":%s,"d":1.50},"f":2.0}' % (untouched, untouched)
