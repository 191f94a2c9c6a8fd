"""Contexts: two different places never share an encoding."""

import itertools
import unicodedata
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.crypto.examples import CONTEXTS, MOVED, name_of
from vault_service.domain.contexts import Context, context, login_index_input, u64
from vault_service.domain.ids import TenantId

_FIELDS = st.lists(st.binary(max_size=12), max_size=5)


@given(st.binary(max_size=8), _FIELDS, st.binary(max_size=8), _FIELDS)
def test_different_fields_never_encode_alike(
    label: bytes, fields: list[bytes], other_label: bytes, other_fields: list[bytes]
) -> None:
    assume((label, fields) != (other_label, other_fields))

    assert context(label, *fields) != context(other_label, *other_fields)


@given(st.binary(max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_moving_the_border_between_two_fields_changes_the_encoding(
    joined: bytes, one: int, other: int
) -> None:
    one, other = min(one, len(joined)), min(other, len(joined))
    assume(one != other)

    assert context(b"x", joined[:one], joined[one:]) != context(b"x", joined[:other], joined[other:])


def test_the_encoding_is_the_specified_one() -> None:
    """Written out by hand: whoever changes it loses all stored data."""
    assert context(b"dek", b"\x01\x02", b"") == (
        b"\x00\x00\x00\x0fvault_service/1\x00\x00\x00\x03dek\x00\x00\x00\x02\x01\x02\x00\x00\x00\x00"
    )
    assert u64(258) == b"\x00\x00\x00\x00\x00\x00\x01\x02"


@pytest.mark.parametrize(("original", "changed", "field"), MOVED, ids=[moved[2] for moved in MOVED])
def test_every_field_is_bound(original: Context, changed: Context, field: str) -> None:
    assert field
    assert original.encode() != changed.encode()


def test_contexts_of_two_kinds_never_encode_alike() -> None:
    assert len({place.encode() for place in CONTEXTS}) == len(CONTEXTS)


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.combinations(CONTEXTS, 2)), ids=lambda place: name_of(place)
)
def test_each_kind_has_a_label_of_its_own(one: Context, other: Context) -> None:
    label = slice(19, 40)  # behind the length-prefixed domain

    assert one.encode()[label] != other.encode()[label]


@given(st.text(max_size=30), st.uuids(), st.text(max_size=30), st.uuids())
def test_a_login_index_belongs_to_one_login_of_one_tenant(
    login: str, tenant: UUID, other_login: str, other_tenant: UUID
) -> None:
    composed = [unicodedata.normalize("NFC", one) for one in (login, other_login)]
    same = (composed[0], tenant) == (composed[1], other_tenant)

    encodings = (
        login_index_input(TenantId(tenant), login),
        login_index_input(TenantId(other_tenant), other_login),
    )

    assert (encodings[0] == encodings[1]) == same
