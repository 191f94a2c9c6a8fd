"""An approver types login and phrase: what is wrong is counted, and nothing tells what was wrong."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from tests.kms.recoveries import Recoveries, decision, later, with_limits
from tests.kms.test_begin_recovery import nobody
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import new_uuid
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseClosedError,
    CaseNotFoundError,
    IdentificationRefusedError,
    NotPermittedError,
)
from vault_service.kms.cases.book import identified_check
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.recovery_messages import RecoveryBegun
from vault_service.kms.service import KeyService

WRONG_PHRASE = "six words that are not its"


@pytest.fixture
def recoveries(vault: Vault, service: KeyService) -> Recoveries:
    return Recoveries(vault, service)


@pytest.fixture
def person(vault: Vault, kms: KmsClient) -> Person:
    return enrol(vault, kms)


@pytest.fixture
def begun(recoveries: Recoveries, person: Person) -> RecoveryBegun:
    return recoveries.of(person)


def test_login_and_phrase_give_the_officer_a_word_that_stands_for_this_case_and_officer_only(
    recoveries: Recoveries, person: Person, begun: RecoveryBegun
) -> None:
    typed = f"  {begun.verification_phrase.upper()} "
    mac = recoveries.identify("ana", begun.case_id, person.login.upper(), typed)

    ana, bob = (recoveries.officer(name) for name in ("ana", "bob"))
    case, other = recoveries.case(begun.case_id), recoveries.case(recoveries.of(person).case_id)
    check = identified_check(recoveries.service, case)
    check(decision(ana, case, "approve", mac))
    for refused in (decision(bob, case, "approve", mac), decision(ana, case, "approve")):
        with pytest.raises(ApprovalRefusedError):
            check(refused)
    with pytest.raises(ApprovalRefusedError):
        identified_check(recoveries.service, other)(decision(ana, other, "approve", mac))
    assert recoveries.events(begun.case_id)[-1] == KeysEvent.OFFICER_IDENTIFIED_SUBJECT
    assert recoveries.row(begun.case_id).wrong_identifications == 0


def test_a_wrong_login_a_wrong_phrase_and_a_decoy_get_the_same_refusal_and_are_counted(
    recoveries: Recoveries, person: Person, begun: RecoveryBegun
) -> None:
    login = nobody()
    decoy = recoveries.begin(login)
    said = set[str]()
    for case, typed, phrase in (
        (begun, nobody(), begun.verification_phrase),
        (begun, person.login, WRONG_PHRASE),
        (begun, "x" * 400, begun.verification_phrase),
        (decoy, login, decoy.verification_phrase),
    ):
        before = recoveries.row(case.case_id).wrong_identifications
        with pytest.raises(IdentificationRefusedError) as refused:
            recoveries.identify("ana", case.case_id, typed, phrase)
        said.add(str(refused.value))
        assert recoveries.row(case.case_id).wrong_identifications == before + 1
        assert recoveries.events(case.case_id)[-1] == KeysEvent.IDENTIFICATION_REFUSED

    assert len(said) == 1


def test_after_so_many_wrong_ones_the_case_takes_no_right_one_either(
    recoveries: Recoveries, person: Person, begun: RecoveryBegun
) -> None:
    """Of any number at once: more of them than that are not even looked at."""
    recoveries.service = with_limits(recoveries.service, wrong_identifications=3)

    def wrong(_: int) -> None:
        with pytest.raises(IdentificationRefusedError):
            recoveries.identify("ana", begun.case_id, nobody(), begun.verification_phrase)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(wrong, range(8)))

    assert recoveries.row(begun.case_id).wrong_identifications == 3
    with pytest.raises(IdentificationRefusedError):
        recoveries.identify("bob", begun.case_id, person.login, begun.verification_phrase)


def test_a_case_that_has_ended_identifies_nobody(
    recoveries: Recoveries, person: Person, begun: RecoveryBegun
) -> None:
    now = recoveries.service
    recoveries.service = later(now, days=7, seconds=1)
    with pytest.raises(CaseClosedError):
        recoveries.identify("ana", begun.case_id, person.login, begun.verification_phrase)
    recoveries.service = now
    recoveries.veto("bob", begun.case_id)
    with pytest.raises(CaseClosedError):
        recoveries.identify("ana", begun.case_id, person.login, begun.verification_phrase)
    assert recoveries.events(begun.case_id)[-1] == KeysEvent.IDENTIFICATION_REFUSED


def test_a_case_that_there_is_not_is_refused_with_an_event(recoveries: Recoveries) -> None:
    case = new_uuid()
    with pytest.raises(CaseNotFoundError):
        recoveries.identify("ana", case, nobody(), WRONG_PHRASE)
    assert recoveries.events(case) == [KeysEvent.IDENTIFICATION_REFUSED]


@pytest.mark.parametrize("change", [{"roles": ("requester", "operator")}, {"user_ids": ()}])
def test_only_who_may_approve_the_case_types_logins(
    recoveries: Recoveries, person: Person, begun: RecoveryBegun, monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
) -> None:  # fmt: skip
    """Not an officer without that role, and nobody for an account of their own."""
    manifest = recoveries.service.manifests.current()
    change = {"user_ids": (person.user,)} if "user_ids" in change else change
    officers = tuple(msgspec.structs.replace(each, **change) for each in manifest.officers)
    changed = msgspec.structs.replace(manifest, officers=officers)
    monkeypatch.setattr(recoveries.service.manifests, "_current", changed)

    with pytest.raises(NotPermittedError):
        recoveries.identify("ana", begun.case_id, person.login, begun.verification_phrase)
    assert recoveries.events(begun.case_id)[-1] == KeysEvent.OFFICER_REFUSED


def test_the_database_has_no_say_in_whose_login_it_was(
    vault: Vault, kms: KmsClient, recoveries: Recoveries, begun: RecoveryBegun
) -> None:
    """A superuser asks for access to somebody else's account, and shows the officers his own papers."""
    superuser = enrol(vault, kms)
    with vault.keys.superuser() as conn:
        conn.execute(
            f"""CREATE FUNCTION lie() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                  NEW.login_index := (SELECT login_index FROM users WHERE user_id = '{superuser.user}');
                  RETURN NEW; END $$"""
        )
        conn.execute("CREATE TRIGGER lie BEFORE UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION lie()")
    try:
        with pytest.raises(IdentificationRefusedError):
            recoveries.identify("ana", begun.case_id, superuser.login, begun.verification_phrase)
    finally:
        with vault.keys.superuser() as conn:
            conn.execute("DROP TRIGGER lie ON cases")
            conn.execute("DROP FUNCTION lie")
    assert recoveries.events(begun.case_id)[-1] == KeysEvent.IDENTIFICATION_REFUSED
