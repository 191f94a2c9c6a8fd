"""Everything as JSON Lines: whole, in bounded memory, and cut off rather than wrong."""

import json

import pytest

from tests.records.signed_in import ANA, Records, Somebody
from vault_service.domain.errors import SessionRefusedError
from vault_service.records.store import Operation
from vault_service.storage.records.sessions import end_all_sessions


def fill(records: Records, who: Somebody, n: int) -> None:
    records.store.batch(who.token, [Operation("create", collection="notes", fields=b'{"n": 1}')] * n)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 128, 130])
def test_an_export_holds_everything_and_says_so_at_its_end(records: Records, ana: Somebody, n: int) -> None:
    fill(records, ana, n)

    *lines, last = [json.loads(line) for line in records.store.export(ana.token)]

    assert last == {"end": True, "records": n}
    assert [line["record_id"] for line in lines] == [
        str(item)
        for (item,) in records.sql(
            "SELECT record_id FROM records WHERE user_id = %(user)s ORDER BY record_id", user=ana.user
        )
    ]
    shown = records.sql("SELECT n FROM audit_events WHERE kind = 17 AND user_id = %(user)s", user=ana.user)
    assert sum(count for (count,) in shown) == n


def test_each_record_is_one_line(records: Records, ana: Somebody) -> None:
    """White space between tokens may hold line breaks; they are no part of any value."""
    kept = records.keep(ana, b'{\r\n "title":\n\t"a\\nb"\n}', "notes")

    line, _ = records.store.export(ana.token)

    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert b'{   "title": \t"a\\nb" }' in line
    assert json.loads(line) == {
        "record_id": str(kept.record),
        "collection": "notes",
        "version": 1,
        "created_at": kept.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": kept.created_at.isoformat().replace("+00:00", "Z"),
        "fields": {"title": "a\nb"},
    }


def test_a_broken_record_has_a_line_of_its_own(records: Records, ana: Somebody) -> None:
    broken, kept = records.keep(ana), records.keep(ana)
    records.sql("UPDATE records SET sealed = '' WHERE record_id = %(record)s", record=broken.record)

    lines = [json.loads(line) for line in records.store.export(ana.token)]

    assert {"record_id": str(broken.record), "error": "integrity"} in lines
    assert str(kept.record) in {line.get("record_id") for line in lines if "fields" in line}
    assert lines[-1] == {"end": True, "records": 2}
    assert records.events_of(ana, broken.record)[-1] == "record_integrity_failed"


def test_the_event_of_a_page_is_there_before_its_first_line(records: Records, ana: Somebody) -> None:
    fill(records, ana, 65)
    lines = records.store.export(ana.token)

    assert records.events(ana)["records_exported"] == 0
    next(lines)
    assert records.events(ana)["records_exported"] == 1


def test_a_session_that_ends_cuts_the_export_off(records: Records, ana: Somebody) -> None:
    fill(records, ana, 65)
    lines = records.store.export(ana.token)
    received = [next(lines)]
    with records.db.transaction() as conn:
        end_all_sessions(conn, ana.user)

    with pytest.raises(SessionRefusedError):
        received.extend(lines)

    assert not any(b'"end"' in line for line in received)


def test_an_export_holds_one_page_at_a_time(records: Records, ana: Somebody) -> None:
    """The database is asked again only when the lines of the page are gone."""
    fill(records, ana, 130)
    lines = records.store.export(ana.token)

    for _ in range(64):
        next(lines)
    assert records.events(ana)["records_exported"] == 1
    next(lines)
    assert records.events(ana)["records_exported"] == 2


def test_an_export_is_of_one_user(records: Records, ana: Somebody) -> None:
    records.keep(records.sign_up(), ANA)

    assert [json.loads(line) for line in records.store.export(ana.token)] == [{"end": True, "records": 0}]
