"""Whoever can write to the database can destroy, but not alter, move or mix without being found out."""

from collections.abc import Callable
from typing import LiteralString

import pytest

from tests.records.signed_in import ANA, Records, Somebody, answered
from vault_service.domain.errors import IntegrityError
from vault_service.records.store import Record

ONE: LiteralString = "WHERE user_id = %(user)s AND record_id = %(record)s"

# Each alters one stored thing of one record; `other` is a second record of the same user, `third`
# one of another collection, `bob` another user who has a record `his`.
ATTACKS: dict[str, LiteralString] = {
    "the version byte": "UPDATE records SET sealed = set_byte(sealed, 0, 2) " + ONE,
    "the commitment": "UPDATE records SET sealed = set_byte(sealed, 1, get_byte(sealed, 1) # 1) " + ONE,
    "the commitment's end": "UPDATE records SET sealed = "
    "set_byte(sealed, 32, get_byte(sealed, 32) # 128) " + ONE,
    "the nonce": "UPDATE records SET sealed = set_byte(sealed, 33, get_byte(sealed, 33) # 1) " + ONE,
    "the ciphertext": "UPDATE records SET sealed = set_byte(sealed, 45, get_byte(sealed, 45) # 1) " + ONE,
    "the tag": "UPDATE records SET sealed = set_byte(sealed, octet_length(sealed) - 1, "
    "get_byte(sealed, octet_length(sealed) - 1) # 1) " + ONE,
    "one byte less": "UPDATE records SET sealed = substr(sealed, 1, octet_length(sealed) - 1) " + ONE,
    "64 bytes less": "UPDATE records SET sealed = substr(sealed, 1, octet_length(sealed) - 64) " + ONE,
    "one byte more": "UPDATE records SET sealed = sealed || '\\x00' " + ONE,
    "nothing left": "UPDATE records SET sealed = '' " + ONE,
    "a higher version": "UPDATE records SET version = version + 1 " + ONE,
    "a lower version": "UPDATE records SET version = 1 " + ONE,
    "another key's id": "UPDATE records SET dek_id = gen_random_uuid() " + ONE,
    "another collection's tag": "UPDATE records SET collection_tag = "
    "(SELECT collection_tag FROM records WHERE record_id = %(third)s) " + ONE,
    "no collection's tag": "UPDATE records SET collection_tag = sha256('') " + ONE,
    "the ciphertext of another record": "UPDATE records SET sealed = "
    "(SELECT sealed FROM records WHERE record_id = %(other)s) " + ONE,
    "the whole row of another record": "UPDATE records r SET (version, dek_id, collection_tag, sealed) = "
    "(SELECT version, dek_id, collection_tag, sealed FROM records WHERE record_id = %(other)s) " + ONE,
    "another user's row": "UPDATE records r SET (version, dek_id, collection_tag, sealed) = "
    "(SELECT version, dek_id, collection_tag, sealed FROM records WHERE record_id = %(his)s) " + ONE,
    "the ciphertext of an older version": "UPDATE records SET sealed = %(older)s " + ONE,
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_altered_row_is_refused_and_the_others_are_served(
    records: Records, ana: Somebody, attack: LiteralString
) -> None:
    bob = records.sign_up()
    first = records.keep(ana)
    ((older,),) = records.sql("SELECT sealed FROM records WHERE record_id = %(record)s", record=first.record)
    record = records.store.replace(ana.token, first.record, ANA)
    other, third, his = records.keep(ana), records.keep(ana, b"{}", "notes"), records.keep(bob)
    records.store.replace(ana.token, other.record, ANA)

    records.sql(
        attack, user=ana.user, record=record.record, other=other.record, third=third.record, his=his.record,
        older=older,
    )  # fmt: skip

    attempts: list[Callable[[], object]] = [
        lambda: records.store.read(ana.token, record.record),
        lambda: records.store.replace(ana.token, record.record, ANA),
        lambda: records.store.patch(ana.token, record.record, b"{}"),
    ]
    for attempt in attempts:
        with pytest.raises(IntegrityError):
            attempt()
    assert records.events_of(ana, record.record)[2:] == [
        "record_read", *["record_integrity_failed"] * 3,
    ]  # fmt: skip
    page = records.store.find(ana.token)
    assert page.broken == (record.record,)
    assert [item.record for item in page.items] == [other.record, third.record]
    assert records.store.read(ana.token, third.record) == third
    assert records.store.read(bob.token, his.record) == answered(his)


def test_what_does_not_open_can_still_be_deleted(records: Records, ana: Somebody) -> None:
    record = records.keep(ana)
    records.sql("UPDATE records SET sealed = '' WHERE record_id = %(record)s", record=record.record)

    records.store.delete(ana.token, record.record)

    assert records.store.find(ana.token).items == ()


def test_an_older_row_put_back_whole_opens(records: Records, ana: Somebody) -> None:
    """A known limit: one row's history is not in its ciphertext; the trail shows the later version."""
    record = records.keep(ana)
    records.sql(
        "CREATE TABLE kept AS SELECT * FROM records WHERE record_id = %(record)s", record=record.record
    )
    records.store.replace(ana.token, record.record, b'{"email": "b@example.org"}')

    records.sql(
        """UPDATE records r SET (version, sealed) = (SELECT version, sealed FROM kept)
           WHERE record_id = %(record)s""",
        record=record.record,
    )

    assert records.store.read(ana.token, record.record).version == 1
    assert records.events_of(ana, record.record) == ["record_created", "record_updated", "record_read"]


INDEX_ATTACKS: dict[str, tuple[LiteralString, Callable[[Record, Record], tuple[Record, ...]]]] = {
    "a tag that points to another record": (
        "UPDATE record_tags SET record_id = %(wrong)s WHERE record_id = %(right)s AND tag = %(tag)s",
        lambda right, wrong: (),
    ),
    "a tag copied to another record": (
        "INSERT INTO record_tags SELECT user_id, tag, %(wrong)s FROM record_tags WHERE tag = %(tag)s",
        lambda right, wrong: (right,),
    ),
}


@pytest.mark.parametrize("collection", ["contact", "notes"])
@pytest.mark.parametrize(("attack", "found"), INDEX_ATTACKS.values(), ids=INDEX_ATTACKS)
def test_a_moved_tag_gives_no_wrong_hit(
    records: Records,
    ana: Somebody,
    attack: LiteralString,
    found: Callable[[Record, Record], tuple[Record, ...]],
    collection: str,
) -> None:
    """Not even where the other record holds the same value, in another collection."""
    right = records.keep(ana)
    email = b"bob@example.org" if collection == "contact" else b"ana@example.org"
    wrong = records.keep(ana, b'{"email": "%s"}' % email, collection)
    tag = ana.dek.blind_tag("contact", "email", "ana@example.org")

    records.sql(attack, right=right.record, wrong=wrong.record, tag=tag)
    page = records.store.find(ana.token, collection="contact", where=[("email", "ana@example.org")])

    assert page.items == tuple(map(answered, found(right, wrong)))
    assert page.broken == ()
    assert records.events_of(ana, wrong.record)[-1] == "record_integrity_failed"
    assert records.store.read(ana.token, wrong.record) == answered(wrong)
