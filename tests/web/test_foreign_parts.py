"""A neighbour's page with ours as a part of it: the browser of somebody signed in would open it unseen."""

import pytest
from flask.testing import FlaskClient

from tests.web.toy import FORM, Notes, own

PARTS = {
    "an image": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "a frame": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    "an object": {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "object"},
    "a script that asks": {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    "a page fetched beforehand": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"},
    "a script": {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
}
OPENED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
@pytest.mark.parametrize("part", PARTS.values(), ids=list(PARTS))
def test_no_page_is_opened_as_a_part_of_another(ana: FlaskClient, part: dict[str, str], site: str) -> None:
    """The cookie comes along from a neighbour, and each look or download would be put down to its owner."""
    for path in ("/note", "/file", "/told", "/picture"):
        answer = ana.get(path, headers={"Sec-Fetch-Site": site, **part})

        assert answer.status_code == 403, path
        assert "Content-Disposition" not in answer.headers, path


@pytest.mark.parametrize("headers", [
    {},  # an older browser, and whoever is none
    {"Sec-Fetch-Site": "none", **OPENED},  # typed
    {"Sec-Fetch-Site": "cross-site", **OPENED},  # a link in a mail; no cookie comes along
    {"Sec-Fetch-Site": "same-site", **OPENED},
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
])  # fmt: skip
def test_links_and_our_own_scripts_open_it(ana: FlaskClient, headers: dict[str, str]) -> None:
    assert ana.get("/note", headers=headers).status_code == 200


WORDS = "Your vault is closed. Call +49 900 123456"


@pytest.mark.parametrize("sent", [{"n": "1", WORDS: "1"}, {"n": WORDS}, {"choice": WORDS, "n": "1"}])
def test_the_words_of_whoever_made_a_link_are_not_said_as_ours(
    ana: FlaskClient, notes: Notes, sent: dict[str, str]
) -> None:
    opened = ana.get("/count", query_string=sent)
    form = ana.post("/count", data={**sent, "csrf_token": "ana-s-token"}, content_type=FORM, headers=own())

    assert (opened.status_code, form.status_code) == (400, 400)
    assert "900" not in opened.text.partition("<footer")[0] + form.text.partition("<footer")[0]
    assert notes.written == []
