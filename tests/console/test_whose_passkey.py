"""One person's passkey in another's place: cards that somebody planted, or led an officer to."""

from http import HTTPStatus
from uuid import UUID

import pytest

from tests.console.desk import Desk
from tests.rig.passkeys import SoftPasskey
from vault_service.domain.errors import InvalidInputError, NotFoundError
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Officer
from vault_service.recovery import enrolments
from vault_service.recovery.invitations import prepare_invitation
from vault_service.recovery.officer_card import card_message, signed_card, unsigned_card


def officer_named(desk: Desk, name: str) -> Officer:
    return next(each for each in desk.office.acting("ana").manifest.officers if each.name == name)


def plant(desk: Desk, name: str, officer: UUID) -> UUID:
    """A card by mallory's own passkey, put into the table by a superuser."""
    desk.enrol(desk.invitation(name=f"{name}-for-real"), key := SoftPasskey())
    trusted = desk.office.acting("ana").trusted
    (own,) = (
        each
        for each in enrolments.waiting(desk.office.recovery, trusted)
        if each.card.name == f"{name}-for-real"
    )
    card = unsigned_card(
        name, officer, own.card.authenticator, bytes.fromhex(own.card.share_key),
        fingerprint=own.card.manifest_fingerprint,
    )  # fmt: skip
    forged = signed_card(card, key.sign_message(card_message(card)))
    desk.sql(
        "UPDATE enrolments SET card = %(card)s WHERE invitation_id = %(id)s",
        card=forged.encode(), id=own.enrolled_id,
    )  # fmt: skip
    return own.enrolled_id


def test_no_card_with_one_name_re_keys_somebody_of_another(desk: Desk) -> None:
    """Officers know mallory as leo, and he reads out the fingerprint of leo's card: it would re-key bob."""
    planted = plant(desk, "leo", officer_named(desk, "bob").officer_id)

    acting = desk.office.acting("ana")
    assert planted not in {
        each.enrolled_id for each in enrolments.waiting(desk.office.recovery, acting.trusted)
    }
    with pytest.raises(NotFoundError):
        enrolments.change_of(desk.office.recovery, acting, planted, None)


def test_no_card_of_somebody_new_has_an_officers_name(desk: Desk) -> None:
    planted = plant(desk, "bob", new_uuid())

    acting = desk.office.acting("ana")
    with pytest.raises(NotFoundError):
        enrolments.change_of(desk.office.recovery, acting, planted, ("approver",))


def test_a_newcomer_is_not_invited_under_an_officers_name_written_otherwise(desk: Desk) -> None:
    for name in ("Bob", "ＢＯＢ", " bob "):
        with pytest.raises(InvalidInputError, match="is an officer already"):
            prepare_invitation(desk.office.recovery, desk.office.acting("ana"), name)


def test_an_invitation_to_another_passkey_does_not_take_the_present_one_away(desk: Desk) -> None:
    """A device keeps one passkey for each user handle: with the officer's id in it, whoever talks an officer
    into opening a link has the passkey overwritten that they decide with. Trying twice leaves one behind."""
    dora = officer_named(desk, "dora")
    (present,) = (each.authenticator_id for each in dora.authenticators)
    token, browser = desk.invitation(officer=dora.officer_id), desk.browser()

    handles = {browser.post("/enrol/begin", {"token": token}).json["user_handle"] for _ in range(2)}

    assert len(handles) == 1
    assert handles.isdisjoint({dora.officer_id.hex, present.hex})
    answer = browser.send(browser.post("/sign-in").json, desk.people["dora"], user_handle=present.hex)
    assert answer.status_code == HTTPStatus.OK
