"""The page of a case says what is asked, what would happen, how it stands and what is signed."""

import hashlib
import html
import re
from uuid import UUID

import pytest

from tests.console.desk import Browser, Desk
from vault_service.domain.case import CollectionScope, Scope
from vault_service.domain.ids import new_uuid
from vault_service.recovery.officers import set_quorum
from vault_service.recovery.open_case import Wanted, open_case
from vault_service.recovery.propose import draw_up

RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


def _words(page: str) -> str:
    """As somebody reads it."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def _opened(desk: Desk, reason: str) -> UUID:
    wanted = Wanted("key-ceremony", reason)
    return open_case(desk.office.recovery, desk.office.acting("cleo"), wanted).case_id


def test_a_disclosure_names_what_is_handed_out_and_to_whom(desk: Desk, dora: Browser) -> None:
    person = desk.office.somebody()
    scope = Scope((CollectionScope("contact", ("phone", "email")), CollectionScope("notes")))
    case = desk.office.open("disclosure", user=person.user, recipient=RECIPIENT, scope=scope)

    words = _words(dora.get(f"/cases/{case}").text)

    for said in (
        "Asked by cleo", "Reason a reason", f"About user {person.user}", f"Recipient’s key {RECIPIENT}",
        "contact phone, email", "notes every field", "No officer can open it", "Waits for approvals",
    ):  # fmt: skip
        assert said in words


def test_the_text_that_is_signed_is_shown_with_its_hash(desk: Desk, dora: Browser) -> None:
    case = desk.office.open("key-ceremony")

    page = dora.get(f"/cases/{case}").text
    body = html.unescape(page.partition('<pre class="canonical"')[2].partition(">")[2].partition("</pre>")[0])

    assert hashlib.sha256(body.encode()).hexdigest() in page
    assert f'"case_id":"{case}"' in body


def test_a_reason_that_hides_or_turns_characters_shows_them(desk: Desk, dora: Browser) -> None:
    """Who decides by it must read what was signed; and it is text, whatever it looks like."""
    case = _opened(desk, "harmless\u202e<script>alert(1)</script>\u200b'\"")

    page = dora.get(f"/cases/{case}").text

    assert "\u202e" not in page
    assert "\u200b" not in page
    assert "harmless\\u202e&lt;script&gt;alert(1)&lt;/script&gt;\\u200b" in page
    assert "<script>alert" not in page


def test_an_officer_change_says_what_would_be_another_way(desk: Desk, dora: Browser) -> None:
    acting = desk.office.acting("cleo")
    proposal = draw_up(desk.office.recovery, acting, [set_quorum(base=3)])
    case = desk.office.open("officer-change", manifest=proposal.body)

    words = _words(dora.get(f"/cases/{case}").text)

    assert "quorum base: 2 -> 3" in words


def test_what_officers_did_stands_there_and_what_does_not_count_says_why(desk: Desk, dora: Browser) -> None:
    case = desk.office.open("key-ceremony")
    desk.office.sign(case, "ana")
    desk.sql(
        """INSERT INTO approvals (case_id, approval_id, officer_id, authenticator_id, decision, signature, at)
           SELECT case_id, %(id)s, %(bob)s, authenticator_id, decision, signature, at FROM approvals
           WHERE case_id = %(case)s""",
        id=new_uuid(), bob=desk.office.acting("bob").officer_id, case=case,
    )  # fmt: skip

    words = _words(dora.get(f"/cases/{case}").text)

    assert "ana approved" in words
    assert "yes the signature was checked" in words
    assert "bob approved – no bob has no such authenticator" in words
    assert "1 more officer has to approve it" in words


def test_a_row_that_was_altered_is_shown_as_that_and_hides_no_other(desk: Desk, dora: Browser) -> None:
    altered, sound = desk.office.open("key-ceremony"), desk.office.open("key-ceremony")
    desk.sql("ALTER TABLE cases DISABLE TRIGGER USER")
    desk.sql("UPDATE cases SET kind = 'drill' WHERE case_id = %(case)s", case=altered)
    desk.sql("ALTER TABLE cases ENABLE TRIGGER USER")

    page, listed = dora.get(f"/cases/{altered}"), dora.get("/cases").text
    desk.sql("UPDATE cases SET state = 'expired' WHERE case_id = %(case)s", case=altered)

    assert page.status_code == 409
    assert "Do not approve it" in page.text
    assert f'href="/cases/{sound}"' in listed
    assert f'href="/cases/{altered}"' not in listed
    assert str(altered) in listed


@pytest.mark.parametrize(
    "path",
    ["/cases/01a21ebe-50be-7361-b7c1-31d725d6e072", "/cases/x", "/cases/../cases", "/cases/new/regain"],
)
def test_what_is_no_case_is_not_found(dora: Browser, path: str) -> None:
    assert dora.get(path).status_code == 404


def test_nobody_who_is_not_signed_in_sees_a_case(desk: Desk) -> None:
    case = desk.office.open("key-ceremony")

    for path in (f"/cases/{case}", "/cases", "/cases/new", "/find-user"):
        answer = desk.browser().get(path)
        assert (answer.status_code, (answer.location or "").partition("?")[0]) == (303, "/sign-in")
