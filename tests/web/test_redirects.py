"""No address of ours leads to another site, whoever made up where it leads to."""

from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.web.toy import FORM, ORIGIN, own
from vault_service.web.view import Download, GoTo

AWAY = (
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example",
    "/\t/evil.example", "\t//evil.example", " //evil.example", "/\n/evil.example", "http:evil.example",
    "javascript:alert(1)", "data:text/html,x", "evil.example", "", "?x", "#x",
    "@evil.example", ".evil.example",
    "/\r\nSet-Cookie: x=1", "/\u2028/evil.example", "/\x00", "//", "/\\", "/\x7f/evil.example",
)  # fmt: skip
HERE = (
    "/",
    "/note",
    "/note?n=1&b=%2F%2Fevil.example",
    "/a//b",
    "/a/../b",
    "/-//x",
    "/./b",
    "/@evil.example",
    "/é",
)


@pytest.mark.parametrize("path", AWAY)
def test_a_redirect_that_leads_away_cannot_be_made(path: str) -> None:
    with pytest.raises(ValueError, match="not an address of this site"):
        GoTo(path)


@pytest.mark.parametrize("back", AWAY)
def test_whoever_chose_a_language_stays_here(nobody: FlaskClient, back: str) -> None:
    sent = {"language": "de", "back": back}

    answer = nobody.post("/language", data=sent, content_type=FORM, headers=own())

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("back", HERE)
def test_and_on_the_page_where_it_was_chosen(nobody: FlaskClient, back: str) -> None:
    answer = nobody.post("/language", data={"language": "de", "back": back}, content_type=FORM, headers=own())

    there = urlsplit(urljoin(f"{ORIGIN}/somewhere", answer.headers["Location"]))
    assert f"{there.scheme}://{there.netloc}" == ORIGIN


@pytest.mark.parametrize(
    "path", ["//evil.example/note", "/%5Cevil.example", "//evil.example", "/%09/evil.example"]
)
def test_an_address_that_only_looks_like_ours_is_no_way_back(nobody: FlaskClient, path: str) -> None:
    """A link with such a path leads to our page for errors; its form must not hand the path on as it is."""
    page = nobody.get(path)
    back = page.text.partition('name="back" value="')[2].partition('"')[0]

    answer = nobody.post("/language", data={"language": "en", "back": back}, content_type=FORM, headers=own())

    there = urljoin(f"{ORIGIN}/x", answer.headers["Location"].replace("\\", "/"))
    assert urlsplit(there).netloc == "console.example.org"


@pytest.mark.parametrize(
    "name", ["a b", 'a"; filename="x', "a\r\nX: 1", "../a", "a/b", "", ".a", "a" * 101, "é"]
)
def test_a_downloads_name_writes_no_header(name: str) -> None:
    with pytest.raises(ValueError, match="not a file's name"):
        Download(name, "text/plain", iter(()))
