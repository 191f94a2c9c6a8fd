"""Where the officers have not agreed, the escrow token is not even logged in to, whatever was released."""

import itertools
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from tests.ceremony.office import Office
from tests.rig.officers import decide, hand_in, manifest_of, officer_key
from vault_service.ceremony.believed import BelievedCase, demand_due, demand_quorum
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.domain.case import case_hash, parse_case
from vault_service.domain.clock import utc_now
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import CaseId, OfficerId
from vault_service.domain.recovery_errors import CaseClosedError, NotDueError, QuorumNotMetError
from vault_service.storage.keys.cases import find_case


def refused(office: Office, case: UUID) -> VaultError:
    """Every officer has released; the ceremony has looked at it all more than once."""
    before = office.logins_of_the_token()
    with office.in_this_process() as here:
        row = office.gathering(case) or office.await_gathering(case)
        office.release("ana", "bob", "cleo")
        assert not here.running.done()
        office.end_note(row)
        error = here.running.exception(30)
    assert office.logins_of_the_token() == before
    assert isinstance(error, VaultError)
    return error


def test_below_the_quorum(office: Office) -> None:
    case = office.begin(office.somebody())
    office.sign(case, "ana")
    assert isinstance(refused(office, case), QuorumNotMetError)


def test_one_persons_approval_twice(office: Office) -> None:
    case = office.begin(office.somebody())
    office.sign(case, "ana")
    office.sign(case, "ana")
    assert isinstance(refused(office, case), QuorumNotMetError)


def test_approvals_that_a_superuser_writes(office: Office) -> None:
    case = office.begin(office.somebody())
    office.sign(case, "ana")
    with office.vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")
        for name in ("bob", "cleo"):
            key = officer_key(office.vault, name)
            conn.execute(
                """INSERT INTO approvals SELECT case_id, %s, %s, %s, decision, signature, identified, NULL, at
                   FROM approvals WHERE case_id = %s AND officer_id = %s""",
                (uuid4(), key.officer, key.authenticator, case, officer_key(office.vault, "ana").officer),
            )
        conn.execute("UPDATE cases SET state = 'open', waited_s = 1e9 WHERE case_id = %s", (case,))
    assert isinstance(refused(office, case), QuorumNotMetError)


def test_approvals_without_an_identification(office: Office) -> None:
    """The key service would refuse them; the ceremony does not come so far as to open the token."""
    case = office.begin(office.somebody())
    body = body_of(office, case)
    hand_in(office.vault, case, *(decide(officer_key(office.vault, name), body) for name in ("ana", "bob")))
    assert isinstance(refused(office, case), QuorumNotMetError)


def test_a_quorum_without_shares(office: Office) -> None:
    before = office.logins_of_the_token()
    case = office.begin(office.somebody())
    office.sign(case, "ana")
    office.sign(case, "bob")
    with office.in_this_process() as here:
        row = office.await_gathering(case)
        office.release("cleo")
        office.end_note(row)
        error = here.running.exception(30)
    assert isinstance(error, VaultError)
    assert error.code == "shares.refused"
    assert office.logins_of_the_token() == before


@pytest.mark.parametrize("end", ["veto", "cancel"])
def test_a_case_that_ends_while_shares_come_in(office: Office, end: str) -> None:
    before = office.logins_of_the_token()
    case = office.begin(office.somebody())
    with office.in_this_process() as here:
        office.await_gathering(case)
        office.sign(case, "ana")
        if end == "veto":
            office.veto(case, "bob")
        else:
            person = office.people[case]
            assert person.opens_with(person.password)  # the old one: that cancels it
        office.release("ana", "bob", "cleo")
        assert here.running.result(110) is None
    assert office.state(case) == {"veto": "vetoed", "cancel": "cancelled"}[end]
    assert office.logins_of_the_token() == before


# --- what the ceremony judges by itself


def body_of(office: Office, case: UUID) -> bytes:
    return believed(office, case).row.body


def believed(office: Office, case: UUID) -> BelievedCase:
    with office.recovery.db.connection() as conn:
        row = find_case(conn, CaseId(case))
    assert row is not None
    return BelievedCase(parse_case(row.body), case_hash(row.body), row)


def test_two_keys_of_one_person_are_one_voice(office: Office) -> None:
    case = believed(office, office.begin(office.somebody()))
    ana, manifest, policies = officer_key(office.vault, "ana"), manifest_of(office.vault), office.policies
    second = OfficerKey.generate(OfficerId(ana.officer), uuid4(), "ana")
    with_two = msgspec.structs.replace(
        manifest,
        officers=tuple(
            msgspec.structs.replace(
                each, authenticators=each.authenticators + second.public(each.roles).authenticators
            )
            if each.officer_id == ana.officer
            else each
            for each in manifest.officers
        ),
    )
    decisions = [decide(key, case.row.body, identified=bytes(32)) for key in (ana, second)]

    with pytest.raises(QuorumNotMetError):
        demand_quorum(case, decisions, with_two, policies)
    bob = decide(officer_key(office.vault, "bob"), case.row.body, identified=bytes(32))
    demand_quorum(case, [*decisions, bob], with_two, policies)


def test_requester_subject_removed_and_unknown_officers_have_no_voice(office: Office) -> None:
    person = office.somebody()
    case = believed(office, office.open("erasure", by="cleo", user=person.user))
    manifest = manifest_of(office.vault)
    ana, bob, cleo = (decide(officer_key(office.vault, n), case.row.body) for n in ("ana", "bob", "cleo"))
    stranger = decide(OfficerKey.generate(OfficerId(uuid4()), uuid4(), "eve"), case.row.body)
    ana_is_subject = msgspec.structs.replace(
        manifest,
        officers=tuple(
            msgspec.structs.replace(each, user_ids=(person.user,)) if each.name == "ana" else each
            for each in manifest.officers
        ),
    )
    without_ana = msgspec.structs.replace(
        manifest, officers=tuple(each for each in manifest.officers if each.name != "ana")
    )

    demand_quorum(case, [ana, bob], manifest, office.policies)
    for decisions, chain in (
        ([ana, cleo], manifest), ([ana, stranger], manifest), ([ana, ana], manifest),
        ([ana, bob], ana_is_subject), ([ana, bob], without_ana),
    ):  # fmt: skip
        with pytest.raises(QuorumNotMetError):
            demand_quorum(case, decisions, chain, office.policies)


def test_an_approval_of_one_case_counts_for_no_other(office: Office) -> None:
    first, second = (believed(office, office.begin(office.somebody())) for _ in range(2))
    decisions = [
        decide(officer_key(office.vault, name), first.row.body, identified=bytes(32))
        for name in ("ana", "bob")
    ]
    manifest = manifest_of(office.vault)
    demand_quorum(first, decisions, manifest, office.policies)
    with pytest.raises(QuorumNotMetError):
        demand_quorum(second, decisions, manifest, office.policies)


def test_one_veto_outweighs_every_approval(office: Office) -> None:
    case = believed(office, office.begin(office.somebody()))
    approvals = [
        decide(officer_key(office.vault, name), case.row.body, identified=bytes(32))
        for name in ("ana", "bob")
    ]
    veto = decide(officer_key(office.vault, "cleo"), case.row.body, "veto")
    for order in itertools.permutations([*approvals, veto]):
        with pytest.raises(CaseClosedError):
            demand_quorum(case, order, manifest_of(office.vault), office.policies)


def test_waiting_and_expiry_are_measured_here_too(office: Office) -> None:
    """By this host's clock, and by the ticks that the keys worker counted."""
    policies = office.policies
    waiting = msgspec.structs.replace(policies.recovery.waiting_s, regain=60)
    strict = msgspec.structs.replace(
        policies, recovery=msgspec.structs.replace(policies.recovery, waiting_s=waiting)
    )
    case = believed(office, office.begin(office.somebody()))
    waited = BelievedCase(case.case, case.digest, replace(case.row, waited_s=61.0))

    now = utc_now()
    demand_due(case, policies, now)
    for late, each in ((timedelta(0), waited), (timedelta(seconds=62), case)):
        with pytest.raises(NotDueError):
            demand_due(each, strict, now + late)
    demand_due(waited, strict, now + timedelta(seconds=62))
    with pytest.raises(CaseClosedError):
        demand_due(waited, strict, now + timedelta(days=8))
