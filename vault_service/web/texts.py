"""What people read, in their language: texts are written in English, and looked up in a catalogue (gettext).

A template says `{{ _('Sign out') }}`, Python says `say("Touch your passkey")`, or `mark("Cases")` where the
text is a constant that is looked up later (`{{ heading|translated }}` in a template). `make texts` gathers
them all into locales/*.po, which are read once, at the start.
"""

import io
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

ENGLISH = "en"
_FOLDER = files("vault_service.web").joinpath("locales")


@dataclass(frozen=True, slots=True)
class Language:
    """One that pages can be read in."""

    code: str  # en, de; as in HTML's lang
    name: str  # as its own speakers call it
    catalogue: NullTranslations = field(repr=False, compare=False)


@cache
def languages() -> tuple[Language, ...]:
    """English, and each that has a catalogue."""
    found = sorted(each.name.removesuffix(".po") for each in _FOLDER.iterdir() if each.name.endswith(".po"))
    return (_language(ENGLISH, NullTranslations()), *(_language(code, _catalogue(code)) for code in found))


def _language(code: str, catalogue: NullTranslations) -> Language:
    return Language(code, (Locale.parse(code).get_display_name(code) or code).capitalize(), catalogue)


def _catalogue(code: str) -> Translations:
    text = _FOLDER.joinpath(f"{code}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(text), locale=code))  # fuzzy entries are left out
    compiled.seek(0)
    return Translations(compiled)


_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language_of(code: str) -> Language | None:
    """The language of that code."""
    return next((each for each in languages() if each.code == code), None)


def current() -> Language:
    """That of the visit that is being answered."""
    return language_of(_current.get()) or languages()[0]


def use(code: str) -> None:
    """From here on in this thread; an unknown one is English."""
    _current.set(code if language_of(code) else ENGLISH)


def mark(text: str) -> str:
    """For the catalogue; looked up where it is shown."""
    return text


def translated(text: str) -> str:
    """In the current language; as it stands where the catalogue has none. Nothing is filled in."""
    return current().catalogue.ugettext(text) if text else ""


def translated_n(one: str, many: str, n: int) -> str:
    """The form that n things have in the current language."""
    return current().catalogue.ungettext(one, many, n)


def say(text: str, **values: object) -> str:
    """The text in the current language with its %(name)s filled in; plain text, escaped when it is shown."""
    found = translated(text)
    return found % values if values else found


def say_n(one: str, many: str, n: int, **values: object) -> str:
    """The same for a number of things; %(n)s is the number."""
    return translated_n(one, many, n) % {"n": n, **values}
