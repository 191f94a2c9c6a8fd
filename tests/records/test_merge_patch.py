"""JSON Merge Patch. The table is that of RFC 7396, appendix A."""

import copy

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


@pytest.mark.parametrize(("original", "patch", "result"), RFC_7396_APPENDIX_A)
def test_the_examples_of_the_rfc(original: JsonValue, patch: JsonValue, result: JsonValue) -> None:
    assert merge_patch(original, patch) == result


@given(_OBJECTS, _OBJECTS)
def test_a_patch_applied_twice_changes_nothing_more(target: JsonValue, patch: JsonValue) -> None:
    once = merge_patch(target, patch)

    assert merge_patch(once, patch) == once


@given(_OBJECTS, _OBJECTS)
def test_neither_argument_is_changed(target: JsonValue, patch: JsonValue) -> None:
    before = copy.deepcopy((target, patch))

    merge_patch(target, patch)

    assert (target, patch) == before
