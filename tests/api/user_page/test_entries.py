"""My entries: add, see, change, delete; and what becomes of two changes at once."""

import json
import re

import pytest

from tests.api.user_page.people import Browser, words_of
from vault_service.api.services import Services
from vault_service.domain.tokens import SessionToken
from vault_service.records.store import Record


def entries_of(ana: Browser, services: Services) -> tuple[Record, ...]:
    assert ana.cookie is not None
    return services.records.find(SessionToken.parse(ana.cookie)).items


def keep(ana: Browser, services: Services, raw: bytes, collection: str = "note") -> str:
    """As an app does; returns the entry's address."""
    assert ana.cookie is not None
    record, _ = services.records.create(SessionToken.parse(ana.cookie), collection, raw)
    return f"/me/entries/{record.record}"


def add_contact(ana: Browser, **values: str) -> str:
    """Add one by its form; returns the page that is shown then."""
    ana.open("/me/entries/new?collection=contact")
    names = ["full_name", "phone", "email", "address", "region"]
    typed = [values.get(name, "") for name in names]
    ana.send("/me/entries", name=names, value=typed, kind=["text"] * len(names))
    return words_of(ana.page)


def test_a_contact_is_added_shown_changed_and_deleted(ana: Browser, services: Services) -> None:
    assert "It is saved." in add_contact(ana, full_name="Ana Silva", phone="+351 912 345 678")
    assert "Ana Silva" in words_of(ana.page)
    (path,) = set(re.findall(r'href="(/me/entries/[0-9a-f-]{36})"', ana.page))

    ana.open(path)
    ana.send(path, name=["full_name", "phone"], value=["Ana Maria Silva", ""], kind=["text", "text"])
    (record,) = entries_of(ana, services)
    assert json.loads(record.fields) == {"full_name": "Ana Maria Silva"}

    ana.open(f"{path}/delete?version={record.version}")
    assert "The entry is deleted." in words_of(ana.send(f"{path}/delete").text)
    assert entries_of(ana, services) == ()


def test_an_entry_of_ones_own_kind_has_the_fields_that_one_names(ana: Browser, services: Services) -> None:
    ana.open("/me/entries/new")
    names, values = ["iban", "note", ""], ["PT50 0002", "a\r\nb", ""]
    ana.send("/me/entries", collection=" Bank account ", name=names, value=values, kind=["text"] * 3)

    (record,) = entries_of(ana, services)
    assert record.collection == "bank-account"
    assert json.loads(record.fields) == {"iban": "PT50 0002", "note": "a\nb"}


def test_a_form_that_is_sent_twice_adds_one_entry(ana: Browser, services: Services) -> None:
    ana.open("/me/entries/new")
    form = ana.page
    for _ in range(2):
        ana.page = form
        ana.send("/me/entries", collection="note", name="title", value="once", kind="text")

    assert len(entries_of(ana, services)) == 1


def test_values_that_were_not_touched_keep_their_bytes(ana: Browser, services: Services) -> None:
    raw = b'{ "b" : 1.0 ,"t":"x\\r\\ny","n": {"k": [1E2, null]}, "z": null, "title": "old" }'
    path = keep(ana, services, raw)
    ana.open(path)

    shown = ["1.0", "x\r\ny", '{"k": [100.0, null]}', "null", "new"]
    names, kinds = ["b", "t", "n", "z", "title"], ["json", "text", "json", "json", "text"]
    ana.send(path, name=names, value=shown, kind=kinds)

    (record,) = entries_of(ana, services)
    kept = b'{"b":1.0,"t":"x\\r\\ny","n":{"k": [1E2, null]},"z":null,"title":"new"}'
    assert record.fields == kept


def test_nested_values_are_replaced_as_they_were_typed(ana: Browser, services: Services) -> None:
    path = keep(ana, services, b'{"n": {"old": 1}, "title": "t"}')
    ana.open(path)

    ana.send(path, name=["n", "title"], value=['{"new": null}', "t"], kind=["json", "text"])

    (record,) = entries_of(ana, services)
    assert json.loads(record.fields) == {"n": {"new": None}, "title": "t"}


def test_saving_what_others_changed_shows_both_and_saves_nothing(ana: Browser, services: Services) -> None:
    path = keep(ana, services, b'{"title": "first"}')
    ana.open(path)
    assert ana.cookie is not None
    token, (record,) = SessionToken.parse(ana.cookie), entries_of(ana, services)
    services.records.replace(token, record.record, b'{"title": "of an app"}')

    answer = ana.send(path, name="title", value="of the page", kind="text")

    assert answer.status_code == 412
    said = words_of(answer.text)
    assert "has changed since you opened it" in said
    assert "of an app" in said
    assert "of the page" in said
    assert entries_of(ana, services)[0].fields == b'{"title": "of an app"}'

    ana.send(path, name="title", value="of the page", kind="text")  # having seen both
    assert json.loads(entries_of(ana, services)[0].fields) == {"title": "of the page"}


def test_deleting_an_entry_that_has_changed_asks_again(ana: Browser, services: Services) -> None:
    path = keep(ana, services, b'{"title": "first"}')
    ana.open(f"{path}/delete?version=1")
    ana.open(path)
    ana.send(path, name="title", value="second", kind="text")
    ana.open(f"{path}/delete?version=1")

    assert ana.send(f"{path}/delete").status_code == 412
    assert len(entries_of(ana, services)) == 1


def test_odd_values_are_kept_with_a_remark(ana: Browser) -> None:
    assert "Something in it looks odd" in add_contact(ana, phone="ask my sister")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"collection": "!?", "name": "title", "value": "x", "kind": "text"}, "collection"),
        ({"collection": "note", "name": ["a", "a"], "value": ["1", "2"], "kind": ["text"] * 2}, "same name"),
        ({"collection": "note", "name": "", "value": "x", "kind": "text"}, "has no name"),
        ({"collection": "note", "name": "a", "value": "{", "kind": "json"}, "JSON"),
        ({"collection": "note", "name": "a", "value": '1, "b": 2', "kind": "json"}, "JSON"),
        ({"collection": "note", "name": "a", "value": "x" * 66_000, "kind": "text"}, "too long"),
    ],
)
def test_what_cannot_be_kept_is_shown_again_with_the_reason(
    typed: dict[str, object], said: str, ana: Browser, services: Services
) -> None:
    ana.open("/me/entries/new")

    answer = ana.send("/me/entries", typed)

    assert answer.status_code in {400, 413}
    assert said in words_of(answer.text)
    assert entries_of(ana, services) == ()


def test_entries_come_in_pages(ana: Browser, services: Services) -> None:
    for number in range(23):
        keep(ana, services, json.dumps({"title": f"entry {number:02}"}).encode())

    ana.open("/me/")
    assert len(re.findall(r"entry \d\d", ana.page)) == 20
    (more,) = re.findall(r'href="(/me/\?cursor=[^"]+)"', ana.page)
    ana.open(more)
    assert len(re.findall(r"entry \d\d", ana.page)) == 3
