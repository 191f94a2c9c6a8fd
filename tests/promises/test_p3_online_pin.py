"""P3, carried out: the online token's PIN and both databases, with all that they let somebody forge.

The attacker makes a case with a genuine MAC, identifications by the case key, a note signed with the note
key, approvals in two officers' names; and calls the real key service as a ceremony. What is missing is what
no token and no database holds: two officers' keys.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.ceremony.office import Office, office_of
from tests.kms.casework import CaseFile, open_regain
from tests.rig.officers import ceremony_of, decide, hand_in, officer_key
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.tokens import opened
from tests.rig.vault import running_vault, settings_of
from vault_service.bootstrap.kms import build_key_service
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.released import EphemeralKey
from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.case import case_hash, case_time
from vault_service.domain.ceremony_note import CeremonyNote, NotedCase
from vault_service.domain.ids import CeremonyId, new_uuid
from vault_service.domain.recovery_errors import QuorumNotMetError
from vault_service.kms.cases.ceremony_notes import sign_note
from vault_service.kms.service import KeyService
from vault_service.storage.keys.ceremonies import insert_ceremony

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def office(scratch: Path, postgres: TestServer) -> Iterator[Office]:
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / "online-pin", keys, records, forked=True) as vault,
        office_of(vault) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def forged(office: Office) -> UUID:
    """As far as the online PIN and a superuser come."""
    settings = settings_of(office.vault)
    assert settings.kms is not None
    service = build_key_service(settings, settings.kms)
    opened(service.keyring.token)
    try:
        file = open_regain(office.vault, service, office.somebody())
        for name in ("ana", "bob"):
            hand_in(office.vault, file.case.case_id, in_the_name_of(office, file, name))
        plant_note(office, service, file)
    finally:
        service.db.close()
        service.keyring.token.close()
    return file.case.case_id


def in_the_name_of(office: Office, file: CaseFile, name: str) -> SignedDecision:
    """By a key of the attacker's; what only the token can compute is genuine."""
    officer = officer_key(office.vault, name)
    mine = OfficerKey.generate(officer.officer, officer.authenticator, name)
    return decide(mine, file.body, identified=file.identified(name))


def plant_note(office: Office, service: KeyService, file: CaseFile) -> None:
    now = service.now()
    note = CeremonyNote(
        v=1, ceremony_id=new_uuid(), ephemeral_pk=EphemeralKey().point.hex(),
        cases=(NotedCase(file.case.case_id, case_hash(file.body).hex()),), pin_gens=(1,),
        token_serial=service.manifests.current().tokens.escrow, manifest_serial=1, issued_at=case_time(now),
        expires_at=case_time(now + timedelta(hours=1)),
    )  # fmt: skip
    body, signature = sign_note(service, note)
    with office.vault.keys.superuser() as conn:
        insert_ceremony(conn, CeremonyId(note.ceremony_id), body, signature, now + timedelta(hours=1))


def test_the_key_service_peels_nothing_for_it(office: Office, forged: UUID) -> None:
    ceremony = ceremony_of(office.vault)
    ceremony.open(forged)
    with pytest.raises(QuorumNotMetError):
        ceremony.peel(forged)


def test_a_ceremony_never_opens_the_escrow_token_for_it(office: Office, forged: UUID) -> None:
    before = office.logins_of_the_token()
    with office.in_this_process() as here:
        row = office.await_gathering(forged, other_than=planted(office, forged))
        office.end_note(row)
        assert isinstance(here.running.exception(30), QuorumNotMetError)
    assert office.logins_of_the_token() == before


def planted(office: Office, case: UUID) -> CeremonyId:
    row = office.gathering(case)
    assert row is not None
    return row.ceremony


def test_a_case_that_two_officers_agree_to_is_executed(office: Office, forged: UUID) -> None:
    """The control: a ceremony in the same vault works, beside all that was forged."""
    case = office.begin(office.somebody())
    result = office.serve(case, "ana", "bob")
    assert [outcome.error for outcome in result.outcomes if outcome.case == case] == [None]
