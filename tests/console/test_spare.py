"""An officer may have a spare passkey: one person still, with one share, who signs with either."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.console.casework import approvals_of, approve, told
from tests.console.desk import Answer, Browser, Desk, enrolled_at, made_of
from tests.rig.passkeys import SoftPasskey
from vault_service.crypto.webauthn import Assertion, challenge_of
from vault_service.domain.case import Scope
from vault_service.domain.contexts import length_prefixed
from vault_service.domain.errors import InvalidInputError, NotFoundError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.manifest import Officer
from vault_service.recovery.enrolments import Enrolled, change_of, find_enrolled
from vault_service.recovery.officer_card import (
    Beside,
    card_message,
    signed_card,
    spare_message,
    unsigned_card,
)
from vault_service.recovery.officers import MOST_PASSKEYS, propose


@pytest.fixture(scope="module")
def office_with_sol(desk: Desk) -> Desk:
    desk.make_officer("sol", ("approver", "discloser"))
    return desk


@pytest.fixture
def sol(office_with_sol: Desk) -> SoftPasskey:
    """The passkey that sol has now."""
    return office_with_sol.people["sol"]


def _officer(desk: Desk, name: str = "sol") -> Officer:
    return next(each for each in desk.office.acting("ana").manifest.officers if each.name == name)


def _word(passkey: SoftPasskey, begun: Any, spare: SoftPasskey) -> dict[str, str]:
    """The present passkey's for this spare one, as enrol.js sends it."""
    message = bytes.fromhex(begun["spare_begin"]) + length_prefixed(spare.public_key)
    signed: Assertion = passkey.sign(challenge_of(message))
    return {
        "authenticator_data": signed.authenticator_data.hex(),
        "client_data_json": signed.client_data_json.hex(),
        "signature": signed.signature.hex(),
        "credential_id": passkey.credential_id.hex(),
    }


def find(desk: Desk, enrolled: UUID) -> Enrolled:
    return find_enrolled(desk.office.recovery, desk.office.acting("ana").trusted, enrolled)


def _same_share(passkey: SoftPasskey) -> SoftPasskey:
    """Another device, for which the browser has wrapped the key that there is."""
    return SoftPasskey(share_private=passkey.share_private)


def _begun(desk: Desk) -> tuple[Browser, Any]:
    browser = desk.browser()
    token = desk.invitation(officer=_officer(desk).officer_id)
    return browser, browser.post("/enrol/begin", {"token": token}).json


def _enrol(desk: Desk, sol: SoftPasskey, spare: SoftPasskey) -> UUID:
    browser, begun = _begun(desk)
    content = made_of(begun, spare) | {"beside": _word(sol, begun, spare)}
    asked: Answer = browser.post("/enrol/card", content)
    return enrolled_at(browser.send(asked.json, spare).json["location"])


def test_it_comes_beside_the_one_there_is_and_either_signs_for_the_same_share(
    desk: Desk, sol: SoftPasskey
) -> None:
    spare = _same_share(sol)
    enrolled = _enrol(desk, sol, spare)
    acting = desk.office.acting("ana")
    found = find(desk, enrolled)
    proposal = propose(
        acting.manifest, [change_of(desk.office.recovery, acting, enrolled, None)], desk.office.recovery.now()
    )
    assert found.is_spare
    page = desk.browser().get(f"/enrolled/{enrolled}?fingerprint={found.fingerprint}").text
    assert "your spare passkey" in page
    assert [line.partition(" beside ")[0] for line in proposal.lines] == ["gives sol a further key"]
    assert found.fingerprint in proposal.lines[0]  # as its owner reads it out

    desk.carry_out(enrolled, None)

    sol_now = _officer(desk)
    assert (len(sol_now.authenticators), sol_now.share_key) == (2, sol.share_key.hex())
    desk.people["sol-spare"] = spare
    case = desk.office.open("drill", scope=Scope(sample=1), by="cleo")
    assert approve(desk.signed_in("sol-spare"), spare, case).status_code == 200
    again = approve(desk.signed_in("sol"), sol, case)
    assert told(again)["location"] == f"/cases/{case}"  # one person, who has approved already
    assert approvals_of(desk, case) == 1
    assert "× 2" in desk.signed_in("dora").get("/officers").text

    desk.make_officer("sol", None, sol_now.officer_id)  # the telephone is lost: one takes all their places
    assert len(_officer(desk).authenticators) == 1


@pytest.mark.parametrize("who", ["somebody else's", "for another invitation", "for another passkey"])
def test_it_needs_the_word_of_the_one_there_is(desk: Desk, sol: SoftPasskey, who: str) -> None:
    """Else a link that was stolen would give the thief a passkey that its officer never notices."""
    browser, begun = _begun(desk)
    _, other = _begun(desk)
    spare = _same_share(sol)
    word = {
        "somebody else's": lambda: _word(desk.people["dora"], begun, spare),
        "for another invitation": lambda: _word(sol, other, spare),
        "for another passkey": lambda: _word(sol, begun, _same_share(sol)),
    }[who]()

    with desk.leaves(K.OFFICER_REFUSED):
        answer = browser.post("/enrol/card", made_of(begun, spare) | {"beside": word})

    assert answer.json["code"] == "console.passkey_refused"


def test_it_is_for_the_share_key_there_is(desk: Desk, sol: SoftPasskey) -> None:
    browser, begun = _begun(desk)
    spare = SoftPasskey()

    answer = browser.post("/enrol/card", made_of(begun, spare) | {"beside": _word(sol, begun, spare)})

    assert (answer.status_code, answer.json["part"]) == (400, "share key")


@pytest.mark.parametrize("what", ["passkey", "word", "share key"])
def test_a_card_that_somebody_wrote_into_the_table_is_none(desk: Desk, sol: SoftPasskey, what: str) -> None:
    """As a superuser of the database, with a passkey of his own that signs its card as it has to: its officer
    would read its fingerprint from the page, and never notice it afterwards.
    """
    spare, own, fingerprint = _same_share(sol), SoftPasskey(), desk.office.vault.fingerprint
    enrolled, of_sol = _enrol(desk, sol, spare), _officer(desk)
    card = find(desk, enrolled).card
    assert isinstance(card.beside, Beside)
    passkey = own.authenticator(enrolled, of_sol.officer_id, fingerprint)
    message = spare_message(fingerprint, of_sol.officer_id, enrolled, own.public_key)
    by = {"passkey": None, "word": own, "share key": sol}[what]
    signature = by.sign_message(message).hex() if by else card.beside.signature
    share_key = own.share_key if what == "share key" else bytes.fromhex(of_sol.share_key)
    word = Beside(of_sol.authenticators[0].authenticator_id, signature)
    card = unsigned_card("sol", of_sol.officer_id, passkey, share_key, fingerprint=fingerprint, beside=word)
    forged = signed_card(card, own.sign_message(card_message(card))).encode()
    desk.sql("UPDATE enrolments SET card = %(card)s WHERE invitation_id = %(id)s", card=forged, id=enrolled)

    with pytest.raises(NotFoundError):
        find(desk, enrolled)


def test_nobody_gathers_passkeys(desk: Desk, sol: SoftPasskey) -> None:
    enrolled = _enrol(desk, sol, _same_share(sol))
    acting = desk.office.acting("ana")
    one_more = change_of(desk.office.recovery, acting, enrolled, None)
    first, *_ = _officer(desk).authenticators
    crowd = tuple(first for _ in range(MOST_PASSKEYS))
    full = msgspec.structs.replace(
        acting.manifest,
        officers=tuple(
            msgspec.structs.replace(each, authenticators=crowd) if each.name == "sol" else each
            for each in acting.manifest.officers
        ),
    )

    with pytest.raises(InvalidInputError, match="re-key instead"):
        one_more(full)


def test_whoever_has_as_many_as_one_may_have_is_told_before_another_is_made(
    desk: Desk, sol: SoftPasskey
) -> None:
    """Not once the officers are to decide, when two devices were touched for nothing."""
    assert not _begun(desk)[1]["is_full"]
    more = [_enrol(desk, sol, _same_share(sol)) for _ in range(MOST_PASSKEYS - 1)]
    desk.carry_out_all(more, None)
    browser, begun = _begun(desk)
    spare = _same_share(sol)

    answer = browser.post("/enrol/card", made_of(begun, spare) | {"beside": _word(sol, begun, spare)})

    assert begun["is_full"]
    assert (answer.status_code, answer.json["part"]) == (400, "keeps")
    desk.make_officer("sol", None, _officer(desk).officer_id)  # what takes the place of all is as ever
    assert len(_officer(desk).authenticators) == 1
