"""One record at a time: what is kept comes back byte for byte, and every step leaves its event."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.records.signed_in import ANA, Records, Somebody, answered
from vault_service.domain.errors import (
    BodyTooLargeError,
    ConcurrentChangeError,
    InvalidInputError,
    MalformedJsonError,
    MustChangePasswordError,
    PreconditionFailedError,
    RecordNotFoundError,
)
from vault_service.domain.ids import RecordId, new_uuid
from vault_service.records import write
from vault_service.records.draft import MAX_FIELDS
from vault_service.records.service import RecordParts, commit
from vault_service.sessions.open import Session
from vault_service.storage.records.changes import Change

ODD_SPELLINGS = [
    b"{}",
    b' {"a" :\t1.10, "\\u00e9": "\xc3\xa9"}\r\n',
    b'{"title": "\xe6\x97\xa5\xe6\x9c\xac", "n": 1e2, "list": [[], {}, null, true]}',
    b'{"title": "' + b"x" * (MAX_FIELDS - 14) + b'"}',
]


@pytest.mark.parametrize("fields", ODD_SPELLINGS, ids=["empty", "spaces and escapes", "nested", "longest"])
def test_fields_come_back_byte_for_byte(records: Records, ana: Somebody, fields: bytes) -> None:
    kept, replayed = records.store.create(ana.token, "notes", fields)

    read = records.store.read(ana.token, kept.record)

    assert not replayed
    assert (read.collection, read.version, read.fields) == ("notes", 1, fields)
    assert read == kept
    assert records.events_of(ana, kept.record) == ["record_created", "record_read"]


@pytest.mark.parametrize("fields", [b"[]", b'{"a":"' + b"x" * MAX_FIELDS + b'"}'], ids=["list", "too large"])
def test_what_is_wrong_with_the_fields_is_not_said_of_the_body(
    records: Records, ana: Somebody, fields: bytes
) -> None:
    kept = records.keep(ana, b"{}", "notes").record
    for attempt in (
        lambda: records.store.create(ana.token, "notes", fields),
        lambda: records.store.replace(ana.token, kept, fields),
        lambda: records.store.patch(ana.token, kept, fields),
    ):
        with pytest.raises((MalformedJsonError, BodyTooLargeError)) as refused:
            attempt()
        assert refused.value.detail.startswith("fields: ")


def test_nothing_readable_reaches_the_database(records: Records, ana: Somebody) -> None:
    """P6: what is sent to the database is sealed already."""
    records.keep(ana)

    ((row,),) = records.sql(
        """SELECT (r.*, t.*)::text FROM records r JOIN record_tags t USING (user_id, record_id)
           WHERE user_id = %(user)s LIMIT 1""",
        user=ana.user,
    )

    for secret in (b"Ana", b"Silva", b"912345678", b"example", b"contact", ana.dek.key):
        assert secret.hex() not in row.lower()
        assert secret.decode("latin-1").lower() not in row.lower()


def test_equal_fields_of_two_people_leave_nothing_equal(records: Records, ana: Somebody) -> None:
    bob = records.sign_up()
    records.keep(ana)
    records.keep(bob)
    users = [ana.user, bob.user]

    assert records.sql(
        "SELECT count(DISTINCT collection_tag) FROM records WHERE user_id = ANY(%(users)s)", users=users
    ) == [(2,)]
    assert records.sql(
        "SELECT count(DISTINCT tag) FROM record_tags WHERE user_id = ANY(%(users)s)", users=users
    ) == [(6,)]


def test_lengths_tell_no_more_than_steps_of_64_bytes(records: Records, ana: Somebody) -> None:
    for text in ("", "a", "ab" * 20):
        records.keep(ana, b'{"title": "%s"}' % text.encode(), "notes")

    assert records.sql(
        "SELECT DISTINCT (octet_length(sealed) - 61) %% 64 FROM records WHERE user_id = %(user)s",
        user=ana.user,
    ) == [(0,)]


def test_a_contact_is_kept_as_written_with_warnings(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana, b'{"phone": "12", "email": "not an address"}')

    assert kept.warnings == (
        "phone: not a valid number; kept as written, found by its digits",
        "email: not a valid e-mail address; kept as written",
    )
    assert records.store.read(ana.token, kept.record) == answered(kept)


@pytest.mark.parametrize(
    ("collection", "fields", "error"),
    [
        ("Notes", b"{}", InvalidInputError),
        ("", b"{}", InvalidInputError),
        ("n" * 65, b"{}", InvalidInputError),
        ("notes\n", b"{}", InvalidInputError),
        ("notes", b"[]", MalformedJsonError),
        ("notes", b'{"a": 1, "a": 2}', MalformedJsonError),
        ("notes", b'{"a": "' + b"x" * MAX_FIELDS + b'"}', BodyTooLargeError),
        ("contact", b'{"shoe_size": "39"}', InvalidInputError),
        ("contact", b'{"email": 1}', InvalidInputError),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(
    records: Records, ana: Somebody, collection: str, fields: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        records.store.create(ana.token, collection, fields)

    assert records.rows(ana, "records") == 0
    assert not records.events(ana)


def test_a_missing_record_is_refused_with_an_event(records: Records, ana: Somebody) -> None:
    nothing = RecordId(new_uuid())

    for attempt in (
        lambda: records.store.read(ana.token, nothing),
        lambda: records.store.replace(ana.token, nothing, b"{}"),
        lambda: records.store.patch(ana.token, nothing, b"{}"),
        lambda: records.store.delete(ana.token, nothing),
    ):
        with pytest.raises(RecordNotFoundError):
            attempt()

    assert records.events_of(ana, nothing) == ["record_read_missing"] * 4


def test_somebody_elses_record_is_as_good_as_missing(records: Records, ana: Somebody) -> None:
    bob = records.sign_up()
    kept = records.keep(ana)

    for attempt in (
        lambda: records.store.read(bob.token, kept.record),
        lambda: records.store.replace(bob.token, kept.record, ANA),
        lambda: records.store.patch(bob.token, kept.record, b"{}"),
        lambda: records.store.delete(bob.token, kept.record),
    ):
        with pytest.raises(RecordNotFoundError):
            attempt()

    assert records.events_of(bob, kept.record) == ["record_read_missing"] * 4
    assert records.store.read(ana.token, kept.record) == answered(kept)


def test_replacing_makes_a_new_version_found_by_its_new_values_only(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana)
    records.clock.move(seconds=5)

    changed = records.store.replace(
        ana.token, kept.record, b'{"email": "new@example.org", "phone": "+351912345678"}'
    )

    assert (changed.version, changed.created_at) == (2, kept.created_at)
    assert changed.updated_at == records.clock()
    assert records.store.read(ana.token, kept.record) == changed
    find = records.store.find
    assert find(ana.token, collection="contact", where=[("email", "ana@example.org")]).items == ()
    assert find(ana.token, collection="contact", where=[("email", "new@example.org")]).items == (changed,)
    assert find(ana.token, collection="contact", where=[("phone", "+351 912 345 678")]).items == (changed,)
    # The old values' tags are gone, not only passed over: nothing of them stays in the index.
    assert records.rows(ana, "record_tags") == 2
    assert records.events(ana)["record_integrity_failed"] == 0


def test_a_patch_changes_what_it_names(records: Records, ana: Somebody) -> None:
    """RFC 7396: null removes, objects merge, the rest stays."""
    kept = records.keep(ana, b'{"title": "a", "b": {"c": 1, "d": 2}, "e": [1]}', "notes")

    changed = records.store.patch(ana.token, kept.record, b'{"title": null, "b": {"c": 3}, "f": "\xc3\xa9"}')

    assert changed.fields == '{"b":{"c":3,"d":2},"e":[1],"f":"é"}'.encode()
    assert records.store.read(ana.token, kept.record) == changed
    assert records.events_of(ana, kept.record) == ["record_created", "record_updated", "record_read"]


def test_a_patch_that_makes_a_record_too_large_or_wrong_is_refused(records: Records, ana: Somebody) -> None:
    note = records.keep(ana, b'{"a": "%s"}' % (b"x" * 60_000), "notes")
    contact = records.keep(ana)

    with pytest.raises(BodyTooLargeError):
        records.store.patch(ana.token, note.record, b'{"b": "%s"}' % (b"x" * 60_000))
    with pytest.raises(InvalidInputError, match="not a string"):
        records.store.patch(ana.token, contact.record, b'{"phone": 5}')

    assert records.store.read(ana.token, note.record).version == 1
    assert records.store.read(ana.token, contact.record).version == 1


def test_a_deleted_record_is_gone_with_its_tags(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana)

    records.store.delete(ana.token, kept.record)

    with pytest.raises(RecordNotFoundError):
        records.store.read(ana.token, kept.record)
    assert records.rows(ana, "record_tags") == 0
    assert records.events_of(ana, kept.record) == ["record_created", "record_deleted", "record_read_missing"]


def test_a_change_of_another_version_is_refused(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana)
    records.store.replace(ana.token, kept.record, b'{"email": "b@example.org"}', 1)

    for version in (1, 3, 0):
        with pytest.raises(PreconditionFailedError):
            records.store.replace(ana.token, kept.record, ANA, version)
        with pytest.raises(PreconditionFailedError):
            records.store.patch(ana.token, kept.record, b"{}", version)
        with pytest.raises(PreconditionFailedError):
            records.store.delete(ana.token, kept.record, version)

    assert records.store.read(ana.token, kept.record).version == 2
    records.store.delete(ana.token, kept.record, 2)


def test_a_one_time_password_may_add_records_and_nothing_else(records: Records, ana: Somebody) -> None:
    dek = ana.dek
    kept = records.keep(ana)
    token = records.sign_in(dek, must_change=True)
    before = records.events(ana)

    added, _ = records.store.create(token, "notes", b"{}")
    for attempt in (
        lambda: records.store.read(token, kept.record),
        lambda: records.store.read(token, added.record),
        lambda: records.store.replace(token, kept.record, ANA),
        lambda: records.store.patch(token, kept.record, b"{}"),
        lambda: records.store.delete(token, kept.record),
        lambda: records.store.find(token),
        lambda: list(records.store.export(token)),
    ):
        with pytest.raises(MustChangePasswordError):
            attempt()

    assert records.events(ana) - before == {"record_created": 1}
    assert records.store.read(ana.token, kept.record) == answered(kept)


def test_a_record_that_changes_while_its_older_version_is_deleted_stays(
    records: Records, ana: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = records.keep(ana, b"{}", "notes")

    def late(parts: RecordParts, session: Session, change: Change, now: datetime) -> bool:
        monkeypatch.undo()
        records.store.replace(ana.token, kept.record, b'{"n": 1}')
        return commit(parts, session, change, now)

    monkeypatch.setattr(write, "commit", late)
    with pytest.raises(PreconditionFailedError):
        records.store.delete(ana.token, kept.record, if_version=1)

    assert records.store.read(ana.token, kept.record).fields == b'{"n": 1}'


def test_of_many_who_replace_one_record_none_is_lost(records: Records, ana: Somebody) -> None:
    """Every success made a version of its own, on top of the one before; the others were told."""
    kept = records.keep(ana, b'{"n": 0}', "notes")

    def put(n: int) -> tuple[int, bytes] | None:
        try:
            changed = records.store.replace(ana.token, kept.record, b'{"n": %d}' % n)
        except ConcurrentChangeError:
            return None
        return changed.version, changed.fields

    with ThreadPoolExecutor(20) as pool:
        done = [each for each in pool.map(put, range(1, 41)) if each is not None]

    versions = sorted(version for version, _ in done)
    last = records.store.read(ana.token, kept.record)
    assert versions == list(range(2, len(done) + 2))
    assert (last.version, last.fields) == max(done)
    assert records.events(ana)["record_updated"] == len(done)


def test_of_many_with_the_same_if_match_exactly_one_wins(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana, b'{"n": 0}', "notes")

    def put(n: int) -> bool:
        try:
            records.store.replace(ana.token, kept.record, b'{"n": %d}' % n, 1)
        except PreconditionFailedError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(put, range(20))) == 1
    assert records.events(ana)["record_updated"] == 1
