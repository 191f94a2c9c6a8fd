"""Officers decide with passkeys: what a browser sent counts once, for its own case, decision and person."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from tests.crypto.test_webauthn import ORDER
from tests.recovery.passkeys import PasskeyOffice
from tests.rig.passkeys import FLAG, SoftPasskey
from vault_service.crypto.approvals import SignedDecision
from vault_service.crypto.webauthn import Assertion
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import new_uuid
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseRefusedError,
    IdentificationNeededError,
    IdentificationRefusedError,
    OfficerRefusedError,
    SelfApprovalError,
)
from vault_service.domain.web_errors import PasskeyCounterError
from vault_service.kms.protocol.recovery_messages import DoneCase, UserFound, VetoCase
from vault_service.recovery.acting import act_by_passkey, decided, decision_message, send_call
from vault_service.recovery.cases import ShownCase
from vault_service.recovery.decide import (
    Person,
    demand_may_decide,
    endorsement_message,
    submit,
    veto_signed,
)
from vault_service.recovery.open_case import Wanted, found, open_prepared, prepare_find, prepare_open
from vault_service.recovery.passkey_counters import take_counter

KEY_CEREMONY = Wanted("key-ceremony", "as the plan says")


@pytest.fixture
def shown(passkeys: PasskeyOffice) -> ShownCase:
    return passkeys.office.open(by="ana")


def test_a_case_is_opened_and_ended_with_passkeys(passkeys: PasskeyOffice) -> None:
    shown = passkeys.bob.open(KEY_CEREMONY)
    assert shown.case.requester == passkeys.bob.acting.officer_id
    with pytest.raises(SelfApprovalError):
        demand_may_decide(passkeys.office.parts, passkeys.bob.acting, shown, "approve")
    with pytest.raises(SelfApprovalError):
        passkeys.bob.veto(shown)

    assert passkeys.cleo.veto(shown).state == "vetoed"
    assert passkeys.office.events(shown.case_id)[:3] == [
        "case_opened",
        "approval_refused",
        "approval_refused",
    ]


def test_the_question_whether_one_may_is_asked_before_anything_is_signed(
    passkeys: PasskeyOffice, shown: ShownCase
) -> None:
    parts, bob = passkeys.office.parts, passkeys.bob.acting
    demand_may_decide(parts, bob, shown, "approve")
    altered = replace(shown, digest=bytes(32))
    with pytest.raises(CaseRefusedError, match="any more"):
        demand_may_decide(parts, bob, altered, "approve")


def _in_cleo_s_name(office: PasskeyOffice, shown: ShownCase) -> SignedDecision:
    return decided(office.cleo.acting, "approve", office.bob.decide(shown, "approve").signature)


REPLAYED: dict[str, Callable[[PasskeyOffice, ShownCase], SignedDecision]] = {
    "of another case": lambda office, shown: office.bob.decide(office.office.open(by="ana"), "approve"),
    "of another decision": lambda office, shown: decided(
        office.bob.acting, "approve", office.bob.decide(shown, "veto").signature
    ),
    "of another officer": lambda office, shown: decided(
        office.bob.acting, "approve", office.cleo.decide(shown, "approve").signature
    ),
    "in another officer's name": _in_cleo_s_name,
    "that is genuinely another officer's": lambda office, shown: office.cleo.decide(shown, "approve"),
    "that is a veto": lambda office, shown: office.bob.decide(shown, "veto"),
    "of a key file": lambda office, shown: decided(
        office.bob.acting, "approve", office.office.acting("ana").decide(shown.digest, "approve").signature
    ),
    "of another passkey of the site": lambda office, shown: decided(
        office.bob.acting,
        "approve",
        SoftPasskey().sign_message(decision_message(office.bob.acting, shown.digest, "approve")),
    ),
    "from a page that looks like the console's": lambda office, shown: office.bob.decide(
        shown, "approve", origin="http://localhost:8444"
    ),
    "without the officer's finger": lambda office, shown: office.bob.decide(shown, "approve", flags=FLAG.UP),
}


@pytest.mark.parametrize("replay", REPLAYED.values(), ids=REPLAYED)
def test_no_approval_is_made_of_a_signature(
    passkeys: PasskeyOffice, shown: ShownCase, replay: Callable[[PasskeyOffice, ShownCase], SignedDecision]
) -> None:
    with pytest.raises(ApprovalRefusedError):
        submit(passkeys.office.parts, passkeys.bob.acting, shown, replay(passkeys, shown))
    assert passkeys.office.approvals(shown.case_id) == 0
    assert passkeys.office.events(shown.case_id) == ["case_opened", "approval_refused"]


def test_an_approval_is_no_veto(passkeys: PasskeyOffice, shown: ShownCase) -> None:
    parts, bob = passkeys.office.parts, passkeys.bob
    approval = bob.decide(shown, "approve")
    for signed in (approval, replace(approval, decision="veto")):
        with pytest.raises(ApprovalRefusedError):
            veto_signed(parts, bob.acting, shown, signed)
        with pytest.raises(ApprovalRefusedError):  # the key service judges by itself
            parts.kms.call(
                VetoCase(
                    shown.case_id,
                    bob.acting.officer_id,
                    bob.acting.authenticator_id,
                    "veto",
                    signed.signature,
                ),
                DoneCase,
            )


def test_rows_that_others_append_give_nobody_a_second_voice(
    passkeys: PasskeyOffice, shown: ShownCase
) -> None:
    """Whoever can write to the table has the other signature that ECDSA allows, and other people's ids."""
    bob, cleo = passkeys.bob.acting, passkeys.cleo.acting
    signed = passkeys.bob.decide(shown, "approve")
    one = Assertion.decode(signed.signature)
    r, s = decode_dss_signature(one.signature)
    twin = replace(one, signature=encode_dss_signature(r, ORDER - s)).encode()
    for row in (
        signed,
        replace(signed, signature=twin),
        replace(signed, officer_id=cleo.officer_id),
        replace(signed, officer_id=cleo.officer_id, authenticator_id=cleo.authenticator_id),
        replace(signed, authenticator_id=cleo.authenticator_id),
    ):
        passkeys.office.plant(shown.case_id, row)

    judgement = passkeys.office.shown(shown.case_id).judgement
    assert judgement.approved_by == (bob.officer_id,)
    assert not judgement.has_quorum


# --- calls of the key service


def test_a_call_that_was_signed_counts_once(passkeys: PasskeyOffice) -> None:
    parts, bob = passkeys.office.parts, passkeys.bob
    prepared = prepare_find(parts, bob.acting, "default", "nobody@example.org", "court order 17")
    signature = bob.passkey.sign_message(prepared.message)
    assert found(parts, prepared, signature) is None
    with pytest.raises(OfficerRefusedError, match="used before"):
        found(parts, prepared, signature)


@pytest.mark.parametrize("changes", [{"purpose": "another"}, {"login": "another@example.org"}], ids=str)
def test_nothing_of_a_call_is_changed_once_it_is_signed(
    passkeys: PasskeyOffice, changes: dict[str, Any]
) -> None:
    parts, bob = passkeys.office.parts, passkeys.bob
    prepared = prepare_find(parts, bob.acting, "default", "nobody@example.org", "court order 17")
    signature = bob.passkey.sign_message(prepared.message)
    other = prepare_find(
        parts,
        bob.acting,
        "default",
        **({"login": "nobody@example.org", "purpose": "court order 17"} | changes),
    )
    with pytest.raises(OfficerRefusedError, match="not over this call"):
        send_call(parts, replace(prepared, request=other.request), signature, UserFound)
    for how in ({"origin": "http://localhost:8444"}, {"type": "webauthn.create"}, {"flags": FLAG.UP}):
        with pytest.raises(OfficerRefusedError, match="not over this call"):
            found(parts, prepared, bob.passkey.sign_message(prepared.message, **how))


def test_a_case_is_opened_in_nobody_else_s_name(passkeys: PasskeyOffice) -> None:
    parts, bob, cleo = passkeys.office.parts, passkeys.bob, passkeys.cleo
    prepared = prepare_open(parts, bob.acting, KEY_CEREMONY)
    with pytest.raises(OfficerRefusedError):
        open_prepared(parts, bob.acting, prepared, cleo.passkey.sign_message(prepared.message))


def test_who_the_person_is_takes_what_the_person_said(passkeys: PasskeyOffice) -> None:
    person = passkeys.office.person()
    begun = passkeys.office.regain(person)
    shown = passkeys.office.shown(begun.case_id)

    assert len(passkeys.bob.identify(shown, Person(person.login, begun.verification_phrase))) == 32
    with pytest.raises(IdentificationNeededError):
        passkeys.bob.identify(shown, Person(person.login, " "))
    with pytest.raises(IdentificationRefusedError):
        passkeys.bob.identify(shown, Person("somebody@example.org", begun.verification_phrase))
    with pytest.raises(ApprovalRefusedError, match="identify"):  # a touch alone is no approval of a regain
        submit(passkeys.office.parts, passkeys.bob.acting, shown, passkeys.bob.decide(shown, "approve"))


def test_only_an_officer_change_has_something_to_endorse(passkeys: PasskeyOffice, shown: ShownCase) -> None:
    with pytest.raises(CaseRefusedError, match="proposes no manifest"):
        endorsement_message(shown, passkeys.bob.acting.manifest)


# --- who acts


def test_only_a_passkey_that_the_newest_manifest_names_acts_at_the_console(passkeys: PasskeyOffice) -> None:
    parts, bob, cleo = passkeys.office.parts, passkeys.bob.acting, passkeys.cleo.acting
    assert act_by_passkey(parts, bob.officer_id, bob.authenticator_id).name == "bob"
    assert bob.authenticator.kind == "passkey"

    ana = passkeys.office.acting("ana")
    for officer, authenticator, why in (
        (ana.officer_id, ana.authenticator_id, "key file"),
        (bob.officer_id, cleo.authenticator_id, "another key"),
        (bob.officer_id, new_uuid(), "another key"),
        (new_uuid(), bob.authenticator_id, "not an officer"),
    ):
        with pytest.raises(OfficerRefusedError, match=why):
            act_by_passkey(parts, officer, authenticator)
    old = passkeys.office.acting("bob")  # the key file of before
    with pytest.raises(OfficerRefusedError, match="replaced"):
        _ = old.officer


@pytest.mark.parametrize(
    ("counts", "stand"),
    [
        ([0, 0, 0], True), ([1, 2, 3], True), ([0, 7, 4_294_967_295], True), ([5, 5], False), ([5, 4], False),
        ([5, 0], False), ([4_294_967_295, 1], False),
    ],
    ids=str,
)  # fmt: skip
def test_a_passkey_that_counts_back_was_copied(
    passkeys: PasskeyOffice, counts: list[int], stand: bool
) -> None:
    office, officer, authenticator = passkeys.office, passkeys.bob.acting.officer_id, new_uuid()
    before = office.count(KeysEvent.PASSKEY_COUNTER_WENT_BACK)
    for count in counts[:-1]:
        take_counter(office.parts, officer, authenticator, count)
    if stand:
        take_counter(office.parts, officer, authenticator, counts[-1])
    else:
        for _ in range(2):  # and what it said does not become the last one
            with pytest.raises(PasskeyCounterError):
                take_counter(office.parts, officer, authenticator, counts[-1])
    assert office.count(KeysEvent.PASSKEY_COUNTER_WENT_BACK) == before + (0 if stand else 2)
