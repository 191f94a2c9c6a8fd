"""Lists and searches: exact, complete, in order, and with an event that says how many were shown."""

import pytest

from tests.records.signed_in import ANA, Records, Somebody, answered
from vault_service.domain.cursors import format_cursor
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.ids import new_uuid
from vault_service.records.store import Page

BOB = b'{"full_name": "Bob Silva", "phone": "0351 912", "email": "bob@example.org"}'


def search(records: Records, who: Somebody, *where: tuple[str, str], collection: str = "contact") -> Page:
    return records.store.find(who.token, collection=collection, where=where)


@pytest.mark.parametrize(
    "where",
    [
        [("email", "ana@EXAMPLE.org")],
        [("full_name", " ANA  silva ")],
        [("phone", "+351912345678")],
        [("phone", "912 345 678"), ("region", "pt")],
        [("region", "PT"), ("phone", "912 345 678"), ("email", "Ana@example.org")],
        [("email", "ana@example.org"), ("email", "Ana@Example.org")],
    ],
)
def test_a_contact_is_found_by_any_spelling_of_its_values(
    records: Records, ana: Somebody, where: list[tuple[str, str]]
) -> None:
    kept = records.keep(ana)
    records.keep(ana, BOB)

    assert search(records, ana, *where) == Page((answered(kept),), None)
    assert records.events(ana)["records_searched"] == 1


@pytest.mark.parametrize(
    "where",
    [
        [("email", "ana@example.com")],
        [("phone", "912 345 678")],
        [("full_name", "Ana Silva"), ("email", "bob@example.org")],
        [("email", "ana@example.org"), ("email", "bob@example.org")],
    ],
)
def test_what_does_not_fit_all_conditions_is_not_found(
    records: Records, ana: Somebody, where: list[tuple[str, str]]
) -> None:
    records.keep(ana)
    records.keep(ana, BOB)

    assert search(records, ana, *where) == Page((), None)
    assert records.events(ana) == {"record_created": 2, "records_searched": 1}
    assert records.sql(
        "SELECT n FROM audit_events WHERE user_id = %(user)s AND kind = 16", user=ana.user
    ) == [(0,)]


def test_free_records_are_found_by_text_and_numbers(records: Records, ana: Somebody) -> None:
    text = records.keep(ana, b'{"title": "Rent", "tag": ["not indexed"]}', "notes")
    number = records.keep(ana, b'{"reference": 42}', "notes")
    records.keep(ana, b'{"title": "Rent"}', "other")

    assert search(records, ana, ("title", "rent"), collection="notes").items == (text,)
    assert search(records, ana, ("reference", "42"), collection="notes").items == (number,)
    assert search(records, ana, ("tag", "not indexed"), collection="notes").items == ()


def test_nobody_finds_somebody_elses_records(records: Records, ana: Somebody) -> None:
    bob = records.sign_up()
    records.keep(ana)

    assert search(records, bob, ("email", "ana@example.org")).items == ()
    assert records.store.find(bob.token).items == ()


@pytest.mark.parametrize(
    ("collection", "where", "said"),
    [
        (None, [("email", "a@b.org")], "needs a collection"),
        ("contact", [("address", "x")], "only full_name, phone, email can be searched"),
        ("notes", [("email", "x")], "only title, tag, reference can be searched"),
        ("notes", [("region", "PT")], "only title, tag, reference can be searched"),
        ("contact", [("region", "PT")], "beside a telephone number"),
        ("contact", [("phone", "1"), ("region", "PT"), ("region", "DE")], "beside a telephone number"),
        ("contact", [("phone", "none")], "holds nothing that can be searched"),
        ("contact", [("email", " ")], "holds nothing that can be searched"),
        ("contact", [("email", "a@b.org")] * 17, "more than 16"),
        ("No", [("title", "x")], "collection"),
    ],
)
def test_a_search_that_means_nothing_is_refused(
    records: Records, ana: Somebody, collection: str | None, where: list[tuple[str, str]], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        records.store.find(ana.token, collection=collection, where=where)
    assert not records.events(ana)


@pytest.mark.parametrize(
    ("limit", "cursor"),
    [(0, None), (201, None), (-1, None), (50, ""), (50, "AAAA"), (50, "é"), (50, "A" * 23)],
)
def test_a_bad_limit_or_cursor_is_refused(
    records: Records, ana: Somebody, limit: int, cursor: str | None
) -> None:
    with pytest.raises(InvalidInputError):
        records.store.find(ana.token, limit=limit, cursor=cursor)


def test_a_cursor_has_one_spelling(records: Records, ana: Somebody) -> None:
    for _ in range(2):
        records.keep(ana)
    cursor = records.store.find(ana.token, limit=1).next_cursor
    assert cursor is not None
    same_bytes = {"A": "B", "Q": "R", "g": "h", "w": "x"}  # in the 4 bits that 22 characters leave over

    with pytest.raises(InvalidInputError):
        records.store.find(ana.token, cursor=cursor[:-1] + same_bytes[cursor[-1]])


def pages(records: Records, who: Somebody, limit: int, **asked: object) -> list[Page]:
    found = [records.store.find(who.token, limit=limit, **asked)]  # type: ignore[arg-type]  # as find takes them
    while found[-1].next_cursor is not None:
        found.append(records.store.find(who.token, limit=limit, cursor=found[-1].next_cursor, **asked))  # type: ignore[arg-type]  # likewise
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 200])
@pytest.mark.parametrize(
    ("asked", "which"),
    [
        ({}, slice(None)),
        ({"collection": "contact"}, slice(0, None, 2)),
        ({"collection": "contact", "where": [("email", "ana@example.org")]}, slice(0, None, 2)),
    ],
    ids=["all", "a collection", "a search"],
)
def test_pages_hold_everything_once_and_in_order(
    records: Records, ana: Somebody, limit: int, asked: dict[str, object], which: slice
) -> None:
    kept = [answered(records.keep(ana, ANA, "notes" if n % 2 else "contact")) for n in range(8)]
    wanted = kept[which]

    found = pages(records, ana, limit, **asked)

    assert [item for page in found for item in page.items] == wanted
    assert [len(page.items) for page in found[:-1]] == [limit] * (len(found) - 1)
    shown = records.sql(
        "SELECT n FROM audit_events WHERE user_id = %(user)s AND kind IN (15, 16) ORDER BY event_id",
        user=ana.user,
    )
    assert [n for (n,) in shown] == [len(page.items) for page in found]


def test_pages_go_on_while_records_come_and_go(records: Records, ana: Somebody) -> None:
    kept = [records.keep(ana, b"{}", "notes") for _ in range(4)]
    first = records.store.find(ana.token, limit=2)
    records.store.delete(ana.token, kept[1].record)
    records.store.delete(ana.token, kept[2].record)
    added = records.keep(ana, b"{}", "notes")

    second = records.store.find(ana.token, limit=2, cursor=first.next_cursor)

    assert second.items == (kept[3], added)


def test_a_cursor_of_a_record_that_never_was_is_a_place_like_any_other(
    records: Records, ana: Somebody
) -> None:
    kept = records.keep(ana)

    assert records.store.find(ana.token, cursor=format_cursor(new_uuid())).items == ()
    assert records.store.find(ana.token, cursor="A" * 22).items == (answered(kept),)
