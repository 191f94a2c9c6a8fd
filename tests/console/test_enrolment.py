"""A passkey is enrolled by invitation, its card waits, and a quorum makes an officer of whoever made it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from fido2.cose import ES256, CoseKey
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from tests.console.desk import Desk, enrolled_at, made_of
from tests.rig.officers import officer_key
from tests.rig.passkeys import FLAG, SoftPasskey
from vault_service.domain.errors import InvalidInputError, NotFoundError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Passkey
from vault_service.domain.recovery_errors import NotPermittedError
from vault_service.recovery.enrolments import change_of, find_enrolled, hand_in, waiting
from vault_service.recovery.invitations import open_invitation, prepare_invitation
from vault_service.recovery.officer_card import make_card
from vault_service.recovery.trust import trusted_chain

Alter = Callable[[dict[str, str], SoftPasskey, bytes], dict[str, str]]


def cards(desk: Desk) -> dict[str, Any]:
    recovery = desk.office.recovery
    return {each.card.name: each for each in waiting(recovery, trusted_chain(recovery))}


def test_a_card_waits_until_a_quorum_has_decided_and_then_is_an_officers(desk: Desk) -> None:
    passkey = SoftPasskey()
    with desk.leaves(K.OFFICER_INVITED, K.PASSKEY_ENROLLED):
        location: str = desk.enrol(desk.invitation("ivy"), passkey).json["location"]
    ivy = cards(desk)["ivy"]
    page = desk.browser().get(location).text
    assert ivy.fingerprint in page  # what the newcomer reads to the officers
    assert (ivy.invited_by, ivy.is_new_officer) == ("ana", True)
    assert desk.browser().sign_in(passkey).status_code == HTTPStatus.FORBIDDEN

    desk.carry_out(ivy.enrolled_id, ("approver",))

    named = next(each for each in desk.office.acting("ana").manifest.officers if each.name == "ivy")
    assert isinstance(named.authenticators[0].passkey, Passkey)
    assert passkey.unwrapped(named, desk.office.vault.fingerprint) is not None
    assert desk.browser().sign_in(passkey).status_code == HTTPStatus.OK
    assert "ivy" not in cards(desk)
    with pytest.raises(InvalidInputError, match="used already"):
        change_of(desk.office.recovery, desk.office.acting("ana"), ivy.enrolled_id, ("approver",))


def test_an_officer_changes_from_a_key_file_to_a_passkey_and_keeps_the_roles(desk: Desk) -> None:
    officer = desk.office.acting("cleo").officer
    passkey = SoftPasskey()
    location: str = desk.enrol(desk.invitation(officer=officer.officer_id), passkey).json["location"]
    cleo, enrolled = desk.office.acting("ana"), enrolled_at(location)

    with pytest.raises(InvalidInputError, match="keeps their roles"):
        change_of(desk.office.recovery, cleo, enrolled, ("operator",))
    changed = change_of(desk.office.recovery, cleo, enrolled, None)(cleo.manifest)

    (after,) = (each for each in changed.officers if each.officer_id == officer.officer_id)
    assert (after.name, after.roles) == (officer.name, officer.roles)
    assert [each.kind for each in after.authenticators] == ["passkey"]
    newcomer = enrolled_at(desk.enrol(desk.invitation("jan"), SoftPasskey()).json["location"])
    with pytest.raises(InvalidInputError, match="in which roles"):
        change_of(desk.office.recovery, cleo, newcomer, None)


def test_a_passkey_that_derives_no_key_keeps_no_share_key_here(desk: Desk) -> None:
    assert desk.enrol(desk.invitation("kim"), SoftPasskey(), prf=False).status_code == HTTPStatus.OK

    assert cards(desk)["kim"].card.authenticator.passkey.wrapped_share_key == ""


# --- invitations


def test_an_invitation_is_good_once_and_for_a_while(desk: Desk) -> None:
    token, browser = desk.invitation("lee"), desk.browser()
    begun = [browser.post("/enrol/begin", {"token": token}).json for _ in range(2)]
    passkeys = [SoftPasskey(), SoftPasskey()]
    asked = [
        browser.post("/enrol/card", made_of(each, key)).json
        for each, key in zip(begun, passkeys, strict=True)
    ]
    first, second = (browser.send(*each) for each in zip(asked, passkeys, strict=True))
    assert first.status_code == HTTPStatus.OK
    assert second.json["code"] == "console.invitation_refused"
    assert browser.post("/enrol/begin", {"token": token}).status_code == HTTPStatus.NOT_FOUND

    late = desk.invitation("mia")
    desk.sql("UPDATE invitations SET expires_at = %(past)s WHERE name = 'mia'", past=datetime.now(UTC))
    assert browser.post("/enrol/begin", {"token": late}).status_code == HTTPStatus.NOT_FOUND


def test_an_invitation_that_expires_while_somebody_enrols_is_not_taken(desk: Desk) -> None:
    browser, passkey = desk.browser(), SoftPasskey()
    begun = browser.post("/enrol/begin", {"token": desk.invitation("nia")}).json
    asked = browser.post("/enrol/card", made_of(begun, passkey)).json
    recovery = desk.services.recovery
    later = recovery.now() + timedelta(hours=2)
    object.__setattr__(recovery, "now", lambda: later)
    try:
        answer = browser.send(asked, passkey)
    finally:
        object.__setattr__(recovery, "now", type(recovery).__dataclass_fields__["now"].default)

    assert answer.json["code"] == "console.invitation_refused"
    assert "nia" not in cards(desk)


@pytest.mark.parametrize("token", ["", "x" * 43, "ä" * 43, "x" * 5000])
def test_a_token_that_nobody_gave_opens_nothing(desk: Desk, token: str) -> None:
    assert desk.browser().post("/enrol/begin", {"token": token}).status_code == HTTPStatus.NOT_FOUND


def test_a_database_that_was_copied_gives_no_token_away(desk: Desk) -> None:
    token = desk.invitation("olga")

    assert token.encode() not in b"".join(row[0] for row in desk.sql("SELECT token_hash FROM invitations"))


def test_only_who_may_ask_for_things_invites(desk: Desk) -> None:
    acting = desk.office.acting("ana")
    for name in ("", "ana", "x" * 65, "a\nb"):
        with pytest.raises(InvalidInputError):
            prepare_invitation(desk.office.recovery, acting, name)
    with pytest.raises(InvalidInputError):
        prepare_invitation(desk.office.recovery, acting, "pat", new_uuid())

    desk.make_officer("wim", ("approver",))
    browser = desk.signed_in("wim")
    with desk.leaves(K.OFFICER_REFUSED):
        answer = browser.post("/invite", {"name": "pat"})
    assert answer.json["code"] == NotPermittedError.code


def test_an_officer_signs_an_invitation_at_the_console(desk: Desk) -> None:
    browser = desk.signed_in("dora")
    asked = browser.post("/invite", {"name": "quin"}).json

    with desk.leaves(K.OFFICER_INVITED):
        told: Any = browser.send(asked, desk.people["dora"]).json
    origin, token = told["link"].split("/enrol#")

    assert origin == desk.services.origin
    assert desk.enrol(token, SoftPasskey()).status_code == HTTPStatus.OK
    assert cards(desk)["quin"].invited_by == "dora"


# --- what is no passkey made here and now


def made_otherwise(**how: Any) -> Alter:
    def alter(made: dict[str, str], passkey: SoftPasskey, challenge: bytes) -> dict[str, str]:
        members = {"origin": passkey.origin, "type": "webauthn.create", "challenge": challenge} | how
        client = passkey.client_data(members.pop("challenge"), members.pop("type"), **members)
        return made | {"client_data_json": client.hex()}

    return alter


def unverified(made: dict[str, str], passkey: SoftPasskey, challenge: bytes) -> dict[str, str]:
    return made | {"attestation_object": passkey.create(challenge, flags=FLAG.UP).attestation_object.hex()}


def contradictory(made: dict[str, str], passkey: SoftPasskey, challenge: bytes) -> dict[str, str]:
    """Backed up, though it never can be (Level 3, section 6.1.3)."""
    flags = FLAG.UP | FLAG.UV | FLAG.BS
    return made | {"attestation_object": passkey.create(challenge, flags=flags).attestation_object.hex()}


def elsewhere(made: dict[str, str], passkey: SoftPasskey, challenge: bytes) -> dict[str, str]:
    other = SoftPasskey(rp_id="evil.example", key=passkey.key, credential_id=passkey.credential_id)
    return made | {"attestation_object": other.create(challenge).attestation_object.hex()}


def of_another_kind(made: dict[str, str], passkey: SoftPasskey, challenge: bytes) -> dict[str, str]:
    """A key that signs by ES256K, whose point is one of P-256 all the same."""
    point = passkey.public_key
    key = CoseKey({1: 2, 3: -47, -1: 8, -2: point[1:33], -3: point[33:]})
    return made | {"attestation_object": _attested(passkey, key)}


def off_the_curve(made: dict[str, str], passkey: SoftPasskey, challenge: bytes) -> dict[str, str]:
    key = ES256({1: 2, 3: -7, -1: 1, -2: bytes([1]) * 32, -3: bytes([1]) * 32})
    return made | {"attestation_object": _attested(passkey, key)}


def _attested(passkey: SoftPasskey, key: Any) -> str:
    credential = AttestedCredentialData.create(bytes(16), passkey.credential_id, key)
    data = AuthenticatorData.create(
        SoftPasskey._rp_id_hash(passkey.rp_id), FLAG.UP | FLAG.UV | FLAG.AT, 0, credential
    )
    return bytes(AttestationObject.create("none", data, {})).hex()


REFUSED: dict[str, Alter] = {
    "on another page": made_otherwise(origin="http://localhost.evil.example"),
    "for another challenge": made_otherwise(challenge=bytes(32)),
    "in a frame of another site": made_otherwise(cross_origin=True),
    "under another site's top page": made_otherwise(topOrigin="https://evil.example"),
    "as if it only signed": made_otherwise(type="webauthn.get"),
    "with nobody verified": unverified,
    "with flags that contradict each other": contradictory,
    "for another relying party": elsewhere,
    "with a key that is not ES256": of_another_kind,
    "with a point that is not on the curve": off_the_curve,
    "with rubbish": lambda made, _, __: made | {"attestation_object": "ffff"},
    "with nothing": lambda made, _, __: made | {"attestation_object": "", "client_data_json": ""},
    "with JSON that is no object": lambda made, _, __: (
        made | {"client_data_json": json.dumps([]).encode().hex()}
    ),
}


@pytest.mark.parametrize("alter", REFUSED.values(), ids=REFUSED.keys())
def test_a_passkey_that_was_made_otherwise_is_not_enrolled(desk: Desk, alter: Alter) -> None:
    browser, passkey = desk.browser(), SoftPasskey()
    begun: Any = browser.post("/enrol/begin", {"token": desk.invitation("rob")}).json
    made = alter(made_of(begun, passkey), passkey, bytes.fromhex(begun["challenge"]))

    with desk.leaves(K.OFFICER_REFUSED):
        answer = browser.post("/enrol/card", made)

    assert (answer.status_code, answer.json["code"]) == (HTTPStatus.FORBIDDEN, "console.passkey_refused")


@pytest.mark.parametrize(
    "other",
    [
        {"share_key": ""}, {"share_key": "04" + "11" * 64}, {"share_key": "zz"},
        {"wrapped_share_key": "00" * 165}, {"unknown": "member"},
    ],
)  # fmt: skip
def test_a_share_key_that_no_share_could_be_sealed_to_is_not_taken(desk: Desk, other: dict[str, str]) -> None:
    browser = desk.browser()
    begun = browser.post("/enrol/begin", {"token": desk.invitation("sam")}).json

    assert (
        browser.post("/enrol/card", made_of(begun, SoftPasskey()) | other).status_code
        == HTTPStatus.BAD_REQUEST
    )


def test_a_card_is_signed_by_its_own_passkey(desk: Desk) -> None:
    browser, passkey, other = desk.browser(), SoftPasskey(), SoftPasskey()
    begun = browser.post("/enrol/begin", {"token": desk.invitation("tom")}).json
    asked: Any = browser.post("/enrol/card", made_of(begun, passkey)).json

    with desk.leaves(K.OFFICER_REFUSED):
        signed = other.sign(bytes.fromhex(asked["challenge"]))
        assert browser.send(asked, passkey, signed).status_code == HTTPStatus.FORBIDDEN
    assert "tom" not in cards(desk)


def test_a_card_goes_by_the_invitation_that_it_was_made_for(desk: Desk) -> None:
    """Two people who were invited cannot exchange their places, nor can a key file take one."""
    recovery = desk.office.recovery
    desk.enrol(desk.invitation("yan"), SoftPasskey())
    other = open_invitation(recovery, desk.invitation("zoe"))
    with pytest.raises(InvalidInputError, match="somebody else"):
        hand_in(recovery, other, cards(desk)["yan"].card.encode())

    bob = officer_key(desk.office.vault, "bob")
    of_bob = open_invitation(recovery, desk.invitation(officer=bob.officer))
    with pytest.raises(InvalidInputError, match="key file"):
        hand_in(recovery, of_bob, make_card(bob, fingerprint=desk.office.vault.fingerprint).encode())
    assert "zoe" not in cards(desk)


def test_one_passkey_does_not_serve_two_people(desk: Desk) -> None:
    browser, dora = desk.browser(), desk.people["dora"]
    begun: Any = browser.post("/enrol/begin", {"token": desk.invitation("udo")}).json
    assert dora.credential_id.hex() in begun["taken"]

    assert browser.post("/enrol/card", made_of(begun, dora)).status_code == HTTPStatus.FORBIDDEN


# --- a superuser of the keys database


def test_rows_that_somebody_wrote_make_no_card(desk: Desk) -> None:
    """Rubbish is left out; a genuine card under somebody's else's invitation is shown with its own name."""
    enrolled = enrolled_at(desk.enrol(desk.invitation("vera"), SoftPasskey()).json["location"])
    genuine = desk.sql("SELECT card FROM enrolments WHERE invitation_id = %(id)s", id=enrolled)[0][0]
    forged = bytes(genuine).replace(b'"vera"', b'"vero"')
    desk.sql("UPDATE enrolments SET card = %(card)s WHERE invitation_id = %(id)s", card=forged, id=enrolled)

    assert not {"vera", "vero"} & cards(desk).keys()
    with pytest.raises(NotFoundError):
        find_enrolled(desk.office.recovery, desk.office.acting("ana").trusted, enrolled)
    assert desk.browser().get(f"/enrolled/{enrolled}").status_code == HTTPStatus.NOT_FOUND


def test_nobody_is_shown_the_fingerprint_of_a_card_that_was_put_in_place_of_theirs(desk: Desk) -> None:
    """They would read it out, and the officers, who see the same one, would find that it agrees."""
    page, other = (
        desk.enrol(desk.invitation(name), SoftPasskey()).json["location"] for name in ("yara", "zita")
    )
    whose, genuine = cards(desk)["zita"].fingerprint, desk.browser().get(page).text
    card = desk.sql("SELECT card FROM enrolments WHERE invitation_id = %(id)s", id=enrolled_at(other))[0][0]
    desk.sql(
        "UPDATE enrolments SET card = %(card)s WHERE invitation_id = %(id)s",
        card=bytes(card), id=enrolled_at(page),
    )  # fmt: skip

    changed = desk.browser().get(page).text

    without = desk.browser().get(page.partition("?")[0]).text  # as somebody might send it to them

    assert "Read this to the officers" in genuine
    assert "does not say which fingerprint is yours" in without
    assert whose not in without
    assert "Another card stands in place of yours" in changed
    assert whose not in changed
