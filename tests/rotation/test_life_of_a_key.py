"""Each kind of online key through its whole life: made, current, retiring, given up, destroyed.

Two key services work on the same token and database all along: the one that runs, and one in the test's
process that reads the manifest when it is told to, so that it can be the one that is late.
"""

from dataclasses import dataclass

import pytest

from tests.kms.recoveries import Recoveries
from tests.recovery.office import Office
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault, settings_of
from tests.rotation.inside import Inside
from tests.rotation.operator import Operator
from vault_service.bootstrap.recovery import officers_host
from vault_service.domain.case import case_hash
from vault_service.domain.ceremony_note import note_signing_input
from vault_service.domain.errors import UnavailableError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, new_uuid
from vault_service.domain.recovery_errors import CaseRefusedError, NoteRefusedError
from vault_service.domain.rotation import OnlineKind
from vault_service.domain.rotation_errors import GenerationNeededError, GenerationRefusedError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Done, Enrol, Erase
from vault_service.kms.protocol.rotation_messages import VerifyWraps, WrapsVerified
from vault_service.kms.recovery.peel import _seed
from vault_service.kms.service import KeyService
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.users.enrol import enrol as enrol_inside
from vault_service.recovery.release import release_to

pytestmark = pytest.mark.slow


@pytest.fixture
def inside(second: KeyService) -> Inside:
    return Inside(second)


def erase(kms: KmsClient, person: Person) -> None:
    kms.call(Erase(person.user, person.password), Done)


def count(vault: Vault, kind: KeysEvent) -> int:
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT count(*) FROM audit_events WHERE kind = %s", (int(kind),)).fetchone()
    assert row is not None
    return int(str(row[0]))


def forget_everybody(vault: Vault) -> None:
    """As if all of them had been rewrapped or erased."""
    with vault.keys.superuser() as conn:
        conn.execute("TRUNCATE logins, users, credentials, deks, escrow_wraps, recovery_codes CASCADE")


def follow(operator: Operator) -> None:
    """The running key service looks every second; and before it verifies anything."""
    operator.kms.call(VerifyWraps(NOBODY, 1), WrapsVerified)


def test_a_pepper_is_kept_until_no_wrap_needs_it(
    turned: Vault, inside: Inside, operator: Operator, api: KmsClient
) -> None:
    early = enrol(turned, api)
    operator.next("pepper")
    late = enrol(turned, api)
    assert early.unlock().epoch == late.unlock().epoch == 1

    refusals = count(turned, KeysEvent.KEY_CHANGE_REFUSED)
    with pytest.raises(GenerationNeededError, match="1 password wraps, 1 escrow wraps, 1 sealed logins"):
        operator.retire("pepper", 1)
    assert count(turned, KeysEvent.KEY_CHANGE_REFUSED) == refusals + 1
    assert operator.states("pepper") == [(1, "retiring"), (2, "current")]

    erase(api, early)
    assert operator.retire("pepper", 1).state == "destroyed"
    assert operator.retire("pepper", 1).state == "destroyed", "again: the same answer"
    with pytest.raises(GenerationRefusedError, match="a moment ago"):
        operator.destroy("pepper", 1)
    assert inside.destroy("pepper", 1).in_token is False
    assert inside.destroy("pepper", 1).in_token is False, "again: the same answer"

    assert late.unlock().epoch == 1
    assert turned.kms_is_healthy()
    assert count(turned, KeysEvent.KEY_DESTROYED) == 1


def test_a_login_index_key_is_kept_until_no_login_needs_it(
    turned: Vault, inside: Inside, operator: Operator, api: KmsClient
) -> None:
    enrol(turned, api)
    operator.next("login-index")
    with pytest.raises(GenerationNeededError, match="logins"):
        inside.retire("login-index", 1)
    forget_everybody(turned)
    late = enrol(turned, api)
    with pytest.raises(GenerationRefusedError, match="a moment ago"):
        inside.retire("login-index", 1, at_once=True)
    assert inside.retire("login-index", 1).state == "destroyed"
    assert inside.destroy("login-index", 1).in_token is False

    follow(operator)
    assert late.unlock().epoch == 1


def test_what_a_late_key_service_writes_under_a_pepper_that_was_given_up_is_refused(
    turned: Vault, inside: Inside, operator: Operator
) -> None:
    """By the database; to the app it is a 503, and a moment later the same key service knows."""
    now = max(inside.states("pepper"))
    inside.service.manifests.current()
    operator.next("pepper")
    forget_everybody(turned)
    operator.retire("pepper", now)
    eve = Enrol(turned.app_key, new_uuid(), "eve@example.org", "seven lamps over the quiet harbour")
    assert inside.service.manifests.current().pepper_gen == now, "it is late"

    with pytest.raises(UnavailableError, match="a key generation that was given up"):
        enrol_inside(inside.service, eve)

    assert inside.service.manifests.fresh().pepper_gen == now + 1
    assert enrol_inside(inside.service, eve).epoch == 1


def test_a_case_key_is_kept_until_its_cases_have_ended(
    turned: Vault, inside: Inside, operator: Operator, api: KmsClient
) -> None:
    cases = Recoveries(turned, inside.service)
    person = enrol(turned, api)
    begun = cases.of(person)
    decoy = cases.begin("nobody-at-all@example.org")
    hidden = cases.begin("nobody-either@example.org")
    with turned.keys.superuser() as conn:  # so that no census counts it
        conn.execute("SET session_replication_role = replica")
        conn.execute(
            "UPDATE cases SET state = 'vetoed', closed_at = now() WHERE case_id = %s", (hidden.case_id,)
        )
    first = case_hash(cases.row(begun.case_id).body)
    sample = _seed(inside.service, cases.case(begun.case_id), first)
    operator.next("case")

    assert inside.service.manifests.fresh().case_gen == 2
    assert _seed(inside.service, cases.case(begun.case_id), first) == sample, "a drill goes on with its pages"
    assert cases.status(begun.case_id) == cases.status(decoy.case_id) == "open"
    cases.approve("ana", begun, person.login)  # identified under the new key, for a case under the old one
    assert operator.census("case", 1) == {"open cases": 2}
    with pytest.raises(GenerationNeededError, match="2 open cases"):
        inside.retire("case", 1)
    operator.next("case")
    assert inside.service.manifests.fresh().case_gen == 3
    assert operator.census("case", 2) == {"open cases": 1}, "who was identified, the second one tells"

    cases.veto("bob", begun.case_id)
    cases.veto("bob", decoy.case_id)
    assert inside.retire("case", 1).state == "destroyed"
    inside.destroy("case", 1)

    failed = count(turned, KeysEvent.CASE_INTEGRITY_FAILED)
    assert cases.status(begun.case_id) == cases.status(decoy.case_id) == "vetoed"
    assert count(turned, KeysEvent.CASE_INTEGRITY_FAILED) == failed
    with pytest.raises(CaseRefusedError):  # of which no trail tells that it ended
        cases.status(hidden.case_id)
    with turned.keys.superuser() as conn:  # its end is told in the trail, but of other bytes
        conn.execute("SET session_replication_role = replica")
        conn.execute(
            """UPDATE cases SET body = convert_to(replace(convert_from(body, 'UTF8'), '"reason":""',
                 '"reason":"x"'), 'UTF8') WHERE case_id = %s""",
            (decoy.case_id,),
        )
    with pytest.raises(CaseRefusedError):
        cases.status(decoy.case_id)
    with turned.keys.superuser() as conn:  # nobody can tell any more that it was ever genuine
        conn.execute("UPDATE cases SET state = 'open' WHERE case_id = %s", (begun.case_id,))
    with pytest.raises(CaseRefusedError):
        cases.status(begun.case_id)
    assert cases.status(cases.of(person).case_id) == "open"


@dataclass
class SignedOffice(Office):
    """Its notes are signed by a key service of this process."""

    token: OnlineToken

    def signature(self, note: bytes) -> bytes:
        return self.token.sign("note/1", note_signing_input(note))


def test_a_note_key_is_kept_until_its_ceremonies_have_ended(
    turned: Vault, inside: Inside, operator: Operator
) -> None:
    with officers_host(settings_of(turned)) as parts:
        office = SignedOffice(turned, parts, inside.service.keyring.token)
        shown = office.open(by="ana")
        office.approve("bob", shown)
        ceremony = office.ceremony([shown])
        operator.next("note")

        assert operator.census("note", 1) == {"open ceremonies": 1}
        with pytest.raises(GenerationNeededError, match="1 open ceremonies"):
            inside.retire("note", 1)
        release_to(office.parts, office.acting("bob"), ceremony.id)
        assert len(office.releases(ceremony)) == 1, "officers' clients take a note of either"

        office.close(ceremony)
        assert inside.retire("note", 1).state == "destroyed"
        late = office.ceremony([shown])
        with pytest.raises(NoteRefusedError, match="has not signed this note"):
            release_to(office.parts, office.acting("bob"), late.id)
        office.close(late)
        inside.destroy("note", 1)
    assert operator.census("note", 1) == {}


@pytest.mark.parametrize("kind", ["audit-signing", "manifest"])
def test_a_signing_key_has_a_successor(
    turned: Vault, inside: Inside, operator: Operator, kind: OnlineKind
) -> None:
    operator.next(kind)
    assert operator.states(kind) == [(1, "retiring"), (2, "current")]

    inside.retire(kind, 1)
    assert inside.destroy(kind, 1).in_token is False

    follow(operator)
    assert turned.kms_is_healthy()
    assert operator.states(kind) == [(1, "destroyed"), (2, "current")]
    assert operator.next(kind).gen == 3, "what comes next is signed by what is there"
