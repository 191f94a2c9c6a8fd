"""Every text that people read is in each catalogue, and a translation changes words only."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from babel.messages.catalog import Catalog

from tests.rig.passkeys import FLAG, SoftPasskey
from vault_service.console.refusals import reason_of
from vault_service.crypto.webauthn import challenge_of
from vault_service.dev.texts import LOCALES, forms, gather, read, renew, untranslated
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Passkey

LANGUAGES = sorted(path.stem for path in LOCALES.glob("*.po"))
_BLANKS = re.compile(r"%\(\w+\)[a-z]|%%|%")
_MARKUP = re.compile(r"</?\w[^>]*>|&\w+;|[<>]")


@pytest.fixture(scope="module")
def texts() -> Catalog:
    """As they stand in templates, Python and errors today."""
    return gather()


OWN, MESSAGE = SoftPasskey(), b"what was asked for"
REFUSED: dict[str, dict[str, Any]] = {
    "another page": {"origin": "https://evil.example"},
    "earlier": {"challenge": b"something else"},
    "nobody verified": {"flags": FLAG.UP},
    "contradictory": {"flags": FLAG.UP | FLAG.UV | FLAG.BS},
    "another passkey": {},
    "rubbish": {"cut": 20},
}


@pytest.mark.parametrize("how", REFUSED.values(), ids=REFUSED)
def test_why_a_passkey_was_refused_is_said_in_each_language(texts: Catalog, how: dict[str, Any]) -> None:
    named = OWN.authenticator(new_uuid(), new_uuid(), "ab" * 32).passkey
    assert isinstance(named, Passkey)
    given = dict(how)
    cut = given.pop("cut", None)
    signed = OWN.sign(given.pop("challenge", challenge_of(MESSAGE)), **given)
    signed = replace(signed, authenticator_data=signed.authenticator_data[:cut])

    said = reason_of(named, signed, MESSAGE)

    assert said in {each.id for each in texts}


@pytest.mark.parametrize(
    "said", ["it was made in a frame of another page", "it is another officer's passkey"]
)
def test_and_why_one_was_not_enrolled(texts: Catalog, said: str) -> None:
    assert said in {each.id for each in texts}


@pytest.fixture(params=LANGUAGES)
def catalogue(request: pytest.FixtureRequest) -> Catalog:
    """One language's."""
    found = read(LOCALES / f"{request.param}.po")
    if not any(each.id for each in found):
        pytest.skip(f"nothing is translated to {request.param} yet: run make texts, and fill the catalogue")
    return found


def _ids(catalogue: Catalog) -> set[tuple[str, ...]]:
    return {forms(each.id) for each in catalogue if each.id}


def test_texts_of_every_kind_are_gathered(texts: Catalog) -> None:
    found = {form for each in _ids(texts) for form in each}

    assert "Skip to the content" in found  # a template
    assert "The numbers" in found  # say
    assert "%(n)s minutes" in found  # say_n
    assert "Officers' console" in found  # mark
    assert "A form that another site's page has sent." in found  # what an error says by itself
    assert "Open the page at its own address and do it there." in found  # its remedy
    assert "the case has expired" in found  # the words of one that is raised
    assert "say why: the other officers see it" in found  # about a field of a form
    assert "A user was enrolled" in found  # a kind of event
    assert "it repeats itself" in found  # why a password is weak
    assert "the password is shorter than %(n)s characters" in found
    assert "not a valid e-mail address; kept as written" in found  # about an entry


def test_each_text_is_in_the_catalogue_and_no_other(texts: Catalog, catalogue: Catalog) -> None:
    """Else: make texts."""
    assert sorted(_ids(texts) - _ids(catalogue)) == []
    assert sorted(_ids(catalogue) - _ids(texts)) == []


def test_each_text_is_translated(catalogue: Catalog) -> None:
    assert untranslated(catalogue) == []


def test_a_translation_fills_in_the_same_and_holds_the_same_markup(catalogue: Catalog) -> None:
    """A blank too many is an error at run time; markup in a catalogue would stand in the page as it is."""
    for each in catalogue:
        if not each.id:
            continue
        allowed = [set(_BLANKS.findall(form)) for form in forms(each.id)]
        for form in forms(each.string):
            assert set(_BLANKS.findall(form)) in allowed, each.id
            assert Counter(_MARKUP.findall(form)) == Counter(_MARKUP.findall(forms(each.id)[-1])), each.id


def test_a_catalogue_keeps_its_translations_gains_new_texts_and_loses_old_ones(texts: Catalog) -> None:
    old = Catalog(locale="de")
    old.add("Sign out", "Abmelden")
    old.add("A text that is gone", "Weg")

    renewed = renew(old, texts).decode()

    assert 'msgid "Sign out"\nmsgstr "Abmelden"' in renewed
    assert "A text that is gone" not in renewed
    assert 'msgid "Skip to the content"\nmsgstr ""' in renewed
    assert "Date" not in renewed.partition("\n\n")[0]  # a day in it would make a change of every run
