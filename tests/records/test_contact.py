"""What a contact is found by, and which contacts are accepted."""

import unicodedata
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault_service.domain.errors import InvalidInputError
from vault_service.policy.load import load_policies
from vault_service.policy.rules import FieldKind
from vault_service.records import contact, stream_safe
from vault_service.records.contact import check_fields, index_value
from vault_service.records.stream_safe import compatible
from vault_service.records.strict_json import JsonValue

COLLECTIONS = load_policies(Path(__file__).parents[2] / "policies").collections
CONTACT, FREE = COLLECTIONS["contact"], COLLECTIONS["free"]

NOT_A_NUMBER = "not a valid number; kept as written, found by its digits"
NO_DIGITS = "holds no digits; kept as written, cannot be searched"
NOT_AN_ADDRESS = "not a valid e-mail address; kept as written"

ALIKE: dict[str, tuple[FieldKind, list[str], str]] = {
    "upper and lower case": ("name", ["Ana Silva", "ANA SILVA", "ana silva"], "ana silva"),
    "white space": ("name", [" Ana \t Silva\n", "Ana\u00a0Silva", "Ana\u3000Silva"], "ana silva"),
    "composed and decomposed": ("name", ["José", "Jose\u0301"], "josé"),
    "sharp s": ("name", ["Straße", "STRASSE", "STRAẞE"], "strasse"),
    "final sigma": ("name", ["ΟΔΥΣΣΕΥΣ", "Οδυσσευς"], "οδυσσευσ"),
    "full width": ("text", ["Ａｂｃ１", "abc1"], "abc1"),
    "ligatures": ("text", ["ﬁnance", "Finance"], "finance"),
    "an international number": (
        "phone",
        ["+351 912 345 678", "+351912345678", "+351-(912)-345-678", "\uff0b351 912345678"],
        "+351912345678",
    ),
    "an extension": ("phone", ["+1 650 253 0000 ext. 12", "+16502530000;ext=12"], "+16502530000;ext=12"),
    "digits of an unknown number": ("phone", ["912 345 678", "912-345-678", "(912)345678"], "912345678"),
    "digits of another script": ("phone", ["٠١٢٣٤", "01234", "०१२३४"], "01234"),
    "case of an address": (
        "email",
        ["Ana@Example.ORG", "ana@example.org", " ana@example.org "],
        "ana@example.org",
    ),
    "an international domain": (
        "email",
        ["ana@bücher.example", "Ana@BÜCHER.example", "ana@xn--bcher-kva.example"],
        "ana@xn--bcher-kva.example",
    ),
    "an international local part": (
        "email",
        ["José@example.org", "jose\u0301@example.org"],
        "josé@example.org",
    ),
    "no address, but the same": ("email", ["Ana at Home", "ana  at home"], "ana at home"),
}


@pytest.mark.parametrize(("kind", "originals", "expected"), ALIKE.values(), ids=ALIKE)
def test_spellings_that_people_take_for_one_are_found_by_one_value(
    kind: FieldKind, originals: list[str], expected: str
) -> None:
    assert {index_value(kind, original)[0] for original in originals} == {expected}


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("name", "Ana Silva", "Ana Sílva"),
        ("phone", "+351912345678", "+351912345679"),
        ("phone", "+16502530000;ext=1", "+16502530000;ext=2"),
        ("email", "ana@example.org", "ana+x@example.org"),
        ("email", "ana@example.org", "a.na@example.org"),
    ],
)
def test_what_may_be_two_people_stays_two_values(kind: FieldKind, one: str, other: str) -> None:
    assert index_value(kind, one)[0] != index_value(kind, other)[0]


@pytest.mark.parametrize(
    ("original", "region", "expected", "warnings"),
    [
        ("912 345 678", "PT", "+351912345678", []),
        ("912 345 678", "pt", "+351912345678", []),
        ("912 345 678", None, "912345678", [NOT_A_NUMBER]),
        ("+49 30 901820", "PT", "+4930901820", []),
        ("+1-555-123-4567x12", "US", "1555123456712", [NOT_A_NUMBER]),
        ("12", "DE", "12", [NOT_A_NUMBER]),
        ("ask my mother", "DE", None, [NO_DIGITS]),
        ("", None, None, []),
        (
            "912345678", "Portugal", "912345678",
            ["the region is not a known country code; read without it", NOT_A_NUMBER],
        ),
    ],
)  # fmt: skip
def test_a_number_is_read_as_dialled_in_its_region(
    original: str, region: str | None, expected: str | None, warnings: list[str]
) -> None:
    assert index_value("phone", original, region=region) == (expected, tuple(warnings))


@pytest.mark.parametrize(
    "original", ["ana@", "@", "ana@home", "a b@c.de", "ana@-x-.org", "x" * 3000 + "@a.org"]
)
def test_an_odd_address_is_kept_with_a_warning(original: str) -> None:
    value, warnings = index_value("email", original)

    assert value == original
    assert warnings == (NOT_AN_ADDRESS,)


def test_no_address_is_looked_up_in_the_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up would tell the network whose address is being stored."""

    def forbidden(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.getaddrinfo", forbidden)
    monkeypatch.setattr("socket.socket", forbidden)

    assert index_value("email", "ana@no-such-domain.example.org") == ("ana@no-such-domain.example.org", ())


def test_a_contact_answers_its_index_values_and_warnings_by_field() -> None:
    fields: dict[str, JsonValue] = {
        "full_name": "Ana  SILVA", "phone": "12", "email": "nowhere", "address": "Rua X, 1", "region": "PT",
    }  # fmt: skip

    values, warnings = check_fields(CONTACT, fields)

    assert values == {"full_name": "ana silva", "phone": "12", "email": "nowhere"}
    assert warnings == (f"phone: {NOT_A_NUMBER}", f"email: {NOT_AN_ADDRESS}")


def test_the_region_serves_the_telephone_number() -> None:
    values, warnings = check_fields(CONTACT, {"phone": "912 345 678", "region": "PT"})

    assert values == {"phone": "+351912345678"}
    assert warnings == ()


@pytest.mark.parametrize("field", ["full_name", "phone", "email", "address"])
def test_any_one_field_makes_a_contact(field: str) -> None:
    check_fields(CONTACT, {field: "7"})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "at least one of full_name, phone, email, address"),
        ({"region": "PT"}, "at least one of"),
        (
            {"full_name": "Ana", "nickname": "A"},
            "this collection has full_name, phone, email, address, region",
        ),
        ({"full_name": 7}, "fields.full_name: not a string"),
        ({"phone": None}, "fields.phone: not a string"),
        ({"email": ["a@example.org"]}, "fields.email: not a string"),
        ({"phone": "1", "region": 351}, "fields.region: not a string"),
    ],
)
def test_what_is_no_contact_is_refused_with_what_would_be(fields: dict[str, JsonValue], problem: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_fields(CONTACT, fields)

    assert problem in refused.value.detail


def test_an_unknown_field_is_not_repeated_in_the_refusal() -> None:
    """Somebody will put a person's name where the field's name belongs."""
    with pytest.raises(InvalidInputError) as refused:
        check_fields(CONTACT, {"Ana Silva": "full_name"})

    assert "Ana" not in refused.value.detail


def test_free_collections_take_any_object_and_index_text_and_numbers() -> None:
    fields: dict[str, JsonValue] = {
        "title": "My  LIST", "tag": 42, "reference": 1.5, "phone": "+351912345678", "more": {"title": "x"},
    }  # fmt: skip

    assert check_fields(FREE, fields) == ({"title": "my list", "tag": "42", "reference": "1.5"}, ())


@pytest.mark.parametrize("kind", ["text", "name", "email"])
@pytest.mark.parametrize(
    "marks",
    ["\u0301" * 500 + "\u0316" * 500, "\u0316\u0301" * 500, "\u0f73" * 500, "\u0344" * 500, "\uff9e" * 500],
    ids=["by class", "in turn", "each two without a class", "each two", "compatible ones"],
)
def test_no_value_makes_sorting_its_marks_long(kind: FieldKind, marks: str) -> None:
    """The work grows with the square of a run of combining marks: a megabyte of them would take minutes, in
    which nobody else is served. Nothing that people write has more than a few.
    """
    value, _ = index_value(kind, f"a{marks}@example.org")

    assert value is not None
    classes = (unicodedata.combining(char) for char in unicodedata.normalize("NFKD", value))
    assert max(len(list(run)) for is_mark, run in groupby(classes, bool) if is_mark) <= 32
    assert index_value(kind, f"a{marks}@example.org") == index_value(kind, f"A{marks}@EXAMPLE.ORG")


def test_a_value_with_as_many_marks_as_people_write_is_found_by_what_it_always_was() -> None:
    """An index that is stored already must go on leading to its records."""
    for original in ("Ti\u0302\u0323m", "\u0e01\u0e33\u0e49" * 40, "e" + "\u0301" * 30, "한글" * 100):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", original).casefold())
        assert index_value("text", original)[0] == folded


@pytest.mark.parametrize("value", [None, True, False, [], ["x"], {}, {"x": 1}, "", "  "])
def test_what_is_neither_text_nor_number_is_not_indexed(value: JsonValue) -> None:
    assert check_fields(FREE, {"title": value}) == ({}, ())


@given(
    st.sampled_from(["text", "name", "phone", "email"]),
    st.text(max_size=60),
    st.sampled_from([None, "PT", "??"]),
)
@settings(max_examples=500, deadline=None)
def test_no_text_whatever_is_refused_and_every_spelling_finds_it(
    kind: FieldKind, original: str, region: str | None
) -> None:
    value, _ = index_value(kind, original, region=region)

    assert value == index_value(kind, unicodedata.normalize("NFD", original), region=region)[0]
    assert value != ""


@given(st.text())
def test_taken_apart_before_it_is_composed_a_text_has_the_same_compatibility_form(text: str) -> None:
    assert compatible(text) == unicodedata.normalize("NFKC", text)


def test_no_text_grows_while_it_is_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would make room for ten characters at a time: 60 KB of U+FDFA stopped a process for long."""
    grown: list[int] = []

    def normalize(form: Literal["NFKC", "NFKD"], text: str) -> str:
        if len(text) > 1:
            grown.append(len(unicodedata.normalize("NFKD", text)) - len(text))
        return unicodedata.normalize(form, text)

    watched = SimpleNamespace(normalize=normalize, combining=unicodedata.combining)
    for module in (contact, stream_safe):
        monkeypatch.setattr(module, "unicodedata", watched)

    value, _ = index_value("name", "\ufdfaΐ\U0001d164" * 50)

    assert value
    assert grown
    assert max(grown) == 0
