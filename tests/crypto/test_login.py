"""Logins: spellings that people take for one are one; what cannot be a login is refused."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault_service.domain.errors import InvalidInputError
from vault_service.domain.login import MAX_CODE_POINTS, normalise_login

ALIKE = {
    "case": (["Ana@Example.org", "ANA@EXAMPLE.ORG", "ana@example.org"], "ana@example.org"),
    "white space around": ([" ana ", "ana\n", "\u00a0ana\u3000", "ana"], "ana"),
    "composed and decomposed": (["José", "JOSE\u0301", "jose\u0301"], "josé"),
    "sharp s": (["Groß", "GROSS", "groß", "GRO\u1e9e"], "gross"),
    "final sigma": (["ΟΔΥΣΣΕΥΣ", "Οδυσσεύς".replace("ύ", "υ"), "οδυσσευσ"], "οδυσσευσ"),
    "ligature": (["ﬁn", "FIN", "fin"], "fin"),
    "Angstrom sign": (["\u212bngstrom", "Ångstrom", "A\u030angstrom"], "ångstrom"),
    "Kelvin sign": (["\u212a", "K", "k"], "k"),
    "Cherokee": (["\u13a0", "\uab70"], "\u13a0"),
}
APART = {
    "Turkish dotted and dotless": (["i", "ı"], "I folds to i; a Turkish user types her own"),
    "Turkish capital with a dot": (["İ", "i"], "full folding keeps the dot"),
    "accents": (["jose", "josé"], "two people"),
    "full width": (["ana", "ａｎａ"], "NFC, not NFKC"),
    "zero width": (["ana", "a\u200bna"], "kept: a joiner belongs to some scripts"),
    "Cyrillic": (["ana", "аnа"], "looks alike, is another"),
    "white space inside": (["ana silva", "anasilva"], "kept"),
}


@pytest.mark.parametrize(("spellings", "login"), ALIKE.values(), ids=ALIKE)
def test_spellings_that_people_take_for_one_are_one_login(spellings: list[str], login: str) -> None:
    assert {normalise_login(spelling) for spelling in spellings} == {login}


@pytest.mark.parametrize(("logins", "why"), APART.values(), ids=APART)
def test_what_may_be_two_people_stays_two_logins(logins: list[str], why: str) -> None:
    assert why
    assert len({normalise_login(login) for login in logins}) == len(logins)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("", "empty"),
        (" \n\u00a0", "empty"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\x7fb", "control"),
        ("a\x85b", "control"),
        ("a\ud800b", "surrogate"),
        ("a" * (MAX_CODE_POINTS + 1), "longer than 320"),
        ("ß" * 161, "longer than 320"),
        ("a" * 10_000_000, "longer than 320"),
    ],
    ids=lambda one: repr(one)[:24],
)
def test_what_cannot_be_a_login_is_refused(raw: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        normalise_login(raw)


def test_320_code_points_are_the_most() -> None:
    assert normalise_login("A" * MAX_CODE_POINTS) == "a" * MAX_CODE_POINTS


def test_the_refusal_does_not_repeat_the_login() -> None:
    with pytest.raises(InvalidInputError) as refused:
        normalise_login("ana.silva\0")

    assert "ana" not in refused.value.detail


@given(st.text(max_size=60))
@settings(max_examples=500)
def test_normalising_twice_changes_nothing_more(raw: str) -> None:
    try:
        login = normalise_login(raw)
    except InvalidInputError:
        return

    assert normalise_login(login) == login


@given(st.text(max_size=60))
@settings(max_examples=500)
def test_canonically_equal_spellings_are_one_login(raw: str) -> None:
    def verdict(text: str) -> str:
        try:
            return normalise_login(text)
        except InvalidInputError as refused:
            return refused.detail

    spellings = {verdict(raw), *(verdict(unicodedata.normalize(form, raw)) for form in ("NFC", "NFD"))}
    assert len(spellings) == 1
