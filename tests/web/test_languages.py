"""Pages in the reader's language: as the browser asks for it, or as somebody chose."""

import io
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.support import Translations
from flask.testing import FlaskClient

from tests.web.toy import FORM, own
from vault_service.web import texts


@pytest.fixture(autouse=True)
def german(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A small catalogue, whatever the real one holds today."""
    made, compiled = Catalog(locale="de"), io.BytesIO()
    made.add("Skip to the content", "Zum Inhalt")
    made.add("Nobody is signed in, or not any more.", "Niemand ist angemeldet.")
    made.add(("%(n)s day", "%(n)s days"), ("%(n)s Tag", "%(n)s Tage"))
    write_mo(compiled, made)
    compiled.seek(0)
    languages = (texts.languages()[0], texts.Language("de", "Deutsch", Translations(compiled)))
    monkeypatch.setattr(texts, "languages", lambda: languages)
    yield
    texts.use("en")


ASKED = {
    "de": ("de", "Zum Inhalt"),
    "de-CH, en;q=0.5": ("de", "Zum Inhalt"),
    "fr, de;q=0.8, en;q=0.9": ("en", "Skip to the content"),
    "fr": ("en", "Skip to the content"),
    "": ("en", "Skip to the content"),
    "*": ("en", "Skip to the content"),
    "de;q=nonsense,,;=": ("en", "Skip to the content"),
    "<script>" * 100: ("en", "Skip to the content"),
}


@pytest.mark.parametrize(("asked", "shown"), ASKED.items())
def test_the_browsers_wish_is_followed(nobody: FlaskClient, asked: str, shown: tuple[str, str]) -> None:
    page = nobody.get("/sign-in", headers={"Accept-Language": asked}).text

    assert f'<html lang="{shown[0]}">' in page
    assert shown[1] in page


def test_a_choice_counts_more_and_is_kept(nobody: FlaskClient) -> None:
    answer = nobody.post(
        "/language", data={"language": "de", "back": "/sign-in"}, content_type=FORM, headers=own()
    )
    name, *flags = answer.headers["Set-Cookie"].split("; ")
    nobody.set_cookie("__Host-language", "de", domain="localhost", path="/", secure=True)
    page = nobody.get("/sign-in", headers={"Accept-Language": "en"}).text

    assert name == "__Host-language=de"
    assert sorted(flags) == ["HttpOnly", "Max-Age=31536000", "Path=/", "SameSite=Strict", "Secure"]
    assert "Zum Inhalt" in page


@pytest.mark.parametrize("language", ["xx", "../de", "", "de\r\nX: 1", "DE", "de; Domain=example.org"])
def test_only_a_language_that_there_is_can_be_chosen(nobody: FlaskClient, language: str) -> None:
    answer = nobody.post("/language", data={"language": language}, content_type=FORM, headers=own())

    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


def test_one_visit_is_not_read_in_the_language_of_the_one_before(nobody: FlaskClient) -> None:
    """Both may be answered by the same thread."""
    nobody.get("/sign-in", headers={"Accept-Language": "de"})

    assert "Skip to the content" in nobody.get("/sign-in").text
    assert "Skip to the content" in nobody.get("/nowhere").text


def test_a_refusal_is_read_in_it_too(nobody: FlaskClient) -> None:
    german = {"Accept-Language": "de"}

    page = nobody.post("/note", content_type=FORM, headers=own(**german))
    script = nobody.post("/note", content_type=FORM, headers=own(**german, Accept="application/json"))

    assert "Niemand ist angemeldet." in page.text
    assert script.get_json(force=True)["detail"] == "Niemand ist angemeldet."


def test_python_says_it_in_the_current_language_and_fills_it_in() -> None:
    texts.use("de")

    assert texts.say_n("%(n)s day", "%(n)s days", 1) == "1 Tag"
    assert texts.say_n("%(n)s day", "%(n)s days", 2) == "2 Tage"
    assert texts.say("Of %(x)s", x="<b>%s") == "Of <b>%s"
    assert texts.say("100 %") == "100 %"
