"""Opening cases at the console: what was asked for is what stands in the case."""

import html
import re
from typing import Any
from uuid import UUID

import pytest

from tests.console.casework import opened, sign_all, told
from tests.console.desk import Browser, Desk
from tests.rig.passkeys import SoftPasskey
from vault_service.domain.case import Case, parse_case
from vault_service.domain.manifest import Manifest
from vault_service.recovery.acting import Acting

RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
_MANIFEST = re.compile(r'name="manifest" value="([0-9a-f]+)"')


def _case(desk: Desk, case: UUID) -> Case:
    return parse_case(bytes(desk.sql("SELECT body FROM cases WHERE case_id = %(case)s", case=case)[0][0]))


def test_what_needs_a_reason_only_is_opened_in_the_officer_s_name(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    case = _case(desk, opened(dora, passkey, "key-ceremony"))

    assert (case.kind, case.reason) == ("key-ceremony", "as the plan says")
    dora_id = next(each.officer_id for each in _manifest(desk).officers if each.name == "dora")
    assert case.requester == dora_id


def test_a_rotation_without_a_new_key_is_refused_in_plain_words(dora: Browser, passkey: SoftPasskey) -> None:
    answer = sign_all(dora, passkey, dora.post("/cases/new/escrow-rotation", {"reason": "r"}))

    assert (answer.status_code, told(answer)["code"]) == (409, "rotation.nothing")
    assert "every escrow wrap is on escrow key 1" in told(answer)["detail"]


def test_a_drill_is_over_as_many_as_are_typed_or_over_all(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    some = opened(dora, passkey, "drill", how="sample", sample=7)
    everybody = opened(dora, passkey, "drill", how="all", sample=7)

    assert _case(desk, some).scope.sample == 7
    assert _case(desk, everybody).scope.sample is None


def test_a_disclosure_hands_out_what_was_ticked_and_typed(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    """A box for every field is one of its own: nothing ticked never means everything."""
    user = desk.office.somebody().user
    ticked = ["contact/phone", "contact/email"]

    some = opened(
        dora, passkey, "disclosure", user=f" {user} ", recipient=RECIPIENT, fields=ticked,
        others="notes\ndiary: title, text\n",
    )  # fmt: skip
    every = opened(dora, passkey, "disclosure", user=str(user), recipient=RECIPIENT, fields=["contact/*"])

    case = _case(desk, some)
    scope = [(each.collection, each.fields) for each in case.scope.collections]
    assert scope == [("contact", ("phone", "email")), ("notes", ()), ("diary", ("title", "text"))]
    assert (case.user_id, case.recipient) == (user, RECIPIENT)
    assert [(each.collection, each.fields) for each in _case(desk, every).scope.collections] == [
        ("contact", ())
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": []}, {"fields": ["contact"]}, {"fields": ["contact/"]}, {"fields": ["secrets/*"]},
        {"fields": ["contact/iban"]}, {"others": "notes:"}, {"others": ":x"}, {"others": "contact"},
        {"user": "ana@example.org"}, {"recipient": "age1nonsense"}, {"reason": " "},
        {"extra": "x"}, {"fields": "contact/*"},
    ],
)  # fmt: skip
def test_a_disclosure_of_nothing_or_of_what_there_is_not_is_refused(
    desk: Desk, dora: Browser, wrong: dict[str, Any]
) -> None:
    content = {
        "reason": "r", "user": "01a20bd4-b9cf-720c-91f9-0159d46a5734", "recipient": RECIPIENT,
        "fields": ["contact/phone"], **wrong,
    }  # fmt: skip

    assert dora.post("/cases/new/disclosure", content).status_code == 400


def test_an_erasure_names_whom(desk: Desk, dora: Browser, passkey: SoftPasskey) -> None:
    user = desk.office.somebody().user

    assert _case(desk, opened(dora, passkey, "erasure", user=str(user))).user_id == user


def test_somebody_is_found_by_login_and_neither_page_nor_address_keeps_it(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    person = desk.office.somebody()
    wanted = {"login": person.login, "purpose": "court order 17", "tenant": "default"}

    known = sign_all(dora, passkey, dora.post("/find-user", wanted))
    unknown = sign_all(dora, passkey, dora.post("/find-user", wanted | {"login": "nobody@example.org"}))

    assert told(known) == {"user_id": str(person.user), "found": "Somebody has this login. Their id:"}
    assert told(unknown) == {"user_id": "", "found": "Nobody has this login."}
    assert str(person.user) in dora.get(f"/cases/new/erasure?user={person.user}").text


@pytest.mark.parametrize("wrong", [{"purpose": " "}, {"login": " "}])
def test_nobody_is_looked_up_for_nothing(dora: Browser, wrong: dict[str, str]) -> None:
    content = {"login": "ana@example.org", "purpose": "p", "tenant": "default", **wrong}

    assert dora.post("/find-user", content).status_code == 400


def test_whoever_may_not_open_a_case_is_told_so(desk: Desk, passkey: SoftPasskey) -> None:
    desk.people["walt"] = SoftPasskey()
    desk.make_officer("walt", ("auditor",))
    walt = desk.signed_in("walt")

    answer = sign_all(walt, desk.people["walt"], walt.post("/cases/new/key-ceremony", {"reason": "r"}))

    assert (answer.status_code, told(answer)["code"]) == (403, "recovery.not_permitted")
    assert "walt may not open" in told(answer)["detail"]


# --- officer changes


def _manifest(desk: Desk) -> Manifest:
    return _acting(desk).manifest


def _acting(desk: Desk) -> Acting:
    return desk.office.acting("cleo")


def _as_it_is(desk: Desk) -> dict[str, list[str] | str]:
    officers = _manifest(desk).officers
    return {
        "officers": [str(each.officer_id) for each in officers],
        "accounts": ["" for _ in officers],
        "roles": [f"{each.officer_id}/{role}" for each in officers for role in each.roles],
        "base": "2",
        "disclosure": "2",
    }


def _preview(dora: Browser, wish: dict[str, Any]) -> str:
    fields = wish | {"csrf_token": dora.csrf}
    answer = dora.client.post(
        "/cases/new/officer-change/preview", data=fields, headers={"Origin": "http://localhost:8443"}
    )
    return html.unescape(answer.text)


def test_a_change_is_shown_first_and_what_was_shown_is_opened(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    bob = str(_acting(desk).manifest.officers[1].officer_id)
    wish = _as_it_is(desk)
    wish["roles"] = [each for each in wish["roles"] if each != f"{bob}/discloser"]
    wish["base"] = "3"
    dora.get("/cases/new/officer-change")

    page = _preview(dora, wish)
    found = _MANIFEST.search(page)
    assert found is not None
    case = opened(dora, passkey, "officer-change", manifest=found[1])

    assert "gives bob the roles requester, approver, auditor instead of" in page
    assert "quorum base: 2 -> 3" in page
    assert "re-keys" not in page
    shown = dora.get(f"/cases/{case}").text
    assert "quorum base: 2 -&gt; 3" in shown


def test_nothing_changed_is_nothing_to_propose(desk: Desk, dora: Browser) -> None:
    assert "Name at least one change" in _preview(dora, _as_it_is(desk))


def test_a_change_that_nobody_could_work_under_is_refused(desk: Desk, dora: Browser) -> None:
    page = _preview(dora, _as_it_is(desk) | {"base": "40"})

    assert "That did not work" in page
    assert 'name="manifest"' not in page


def test_a_manifest_that_follows_no_present_one_is_not_opened(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    body = _manifest(desk).encode().hex()

    answer = dora.post("/cases/new/officer-change", {"manifest": body, "reason": "r"})

    assert answer.status_code >= 400
    assert "intent_id" not in told(answer)
