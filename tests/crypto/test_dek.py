"""What is derived from a data key, and that none of it can be confused with another."""

import dataclasses
from uuid import UUID

import pytest

from tests.crypto import examples
from vault_service.crypto.dek import Dek
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import DekId, TenantId, UserId

KEY = bytes(range(32))
MINE = Dek(examples.TENANT, examples.USER, examples.DEK, KEY)
OTHERS = {
    "another tenant": dataclasses.replace(MINE, tenant=TenantId(UUID(int=9))),
    "another user": dataclasses.replace(MINE, user=UserId(UUID(int=9))),
    "another id": dataclasses.replace(MINE, dek=DekId(UUID(int=9))),
    "another key": dataclasses.replace(MINE, key=KEY[::-1]),
}


def test_a_key_verifies_against_its_own_check_value() -> None:
    MINE.verify(MINE.check_value())


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_no_other_key_verifies(other: Dek) -> None:
    with pytest.raises(SealBrokenError):
        other.verify(MINE.check_value())


@pytest.mark.parametrize("stored", [b"", bytes(32), bytes(31)])
def test_a_broken_check_value_is_refused(stored: bytes) -> None:
    with pytest.raises(SealBrokenError):
        MINE.verify(stored)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_the_tags_of_two_keys_tell_nothing_about_each_other(other: Dek) -> None:
    assert MINE.collection_tag("contact") != other.collection_tag("contact")
    assert MINE.blind_tag("contact", "email", "a@b.c") != other.blind_tag("contact", "email", "a@b.c")
    assert MINE.body_mac(b"create", b"{}") != other.body_mac(b"create", b"{}")


def test_equal_values_are_found_only_in_their_own_field_and_collection() -> None:
    tags = {
        MINE.blind_tag(collection, field, value)
        for collection in ("contact", "notes")
        for field in ("email", "title")
        for value in ("a", "b")
    }

    assert len(tags) == 8
    assert MINE.blind_tag("contact", "email", "a") in tags


def test_names_cannot_be_pushed_into_one_another() -> None:
    assert MINE.blind_tag("ab", "c", "x") != MINE.blind_tag("a", "bc", "x")
    assert MINE.collection_tag("") != MINE.collection_tag("\0")


def test_two_spellings_of_one_text_have_one_tag() -> None:
    assert MINE.collection_tag("é") == MINE.collection_tag("e\u0301")


def test_every_purpose_has_a_key_of_its_own() -> None:
    derived = {
        MINE.check_value(),
        MINE.collection_tag("x"),
        MINE.blind_tag("x", "x", "x"),
        MINE.body_mac(b"x", b"x"),
        KEY,
    }

    assert len(derived) == 5


def test_one_body_sent_to_two_routes_has_two_macs() -> None:
    """Otherwise a key of one route could be taken for a retry of another, which does something else."""
    assert MINE.body_mac(b"records.create", b"{}") != MINE.body_mac(b"records.batch", b"{}")


def test_fresh_keys_differ_and_do_not_show_in_a_log() -> None:
    fresh = {Dek.generate(examples.TENANT, examples.USER, examples.DEK).key for _ in range(100)}

    assert len(fresh) == 100
    assert {len(key) for key in fresh} == {32}
    assert KEY.hex() not in repr(MINE)
    assert repr(KEY) not in repr(MINE)
