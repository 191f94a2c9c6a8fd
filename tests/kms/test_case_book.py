"""A superuser of the keys database writes what he likes into cases: nothing of it is believed."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from psycopg import sql

from tests.kms.recoveries import Recoveries
from tests.kms.test_begin_recovery import nobody
from tests.rig.people import Person, enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import AppId, CaseId, UserId, new_uuid
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.kms.cases.book import case_row, genuine, seal_case
from vault_service.kms.client import KmsClient
from vault_service.kms.service import KeyService
from vault_service.storage.keys.cases import CaseRow, insert_case


@pytest.fixture
def recoveries(vault: Vault, service: KeyService) -> Recoveries:
    return Recoveries(vault, service)


@pytest.fixture
def person(vault: Vault, kms: KmsClient) -> Person:
    return enrol(vault, kms)


def test_what_the_key_service_opened_is_genuine_decoys_too(recoveries: Recoveries, person: Person) -> None:
    for login in (person.login, nobody()):
        row = recoveries.row(recoveries.begin(login).case_id)
        assert genuine(recoveries.service, row).case_id == row.case


COLUMNS = {
    "case_id": new_uuid(), "kind": "erasure", "user_id": new_uuid(), "login_index": bytes(32),
    "app_id": new_uuid(), "body": b"{}", "mac": bytes(32), "decoy": True, "opened_at": "2020-01-01T00:00:00Z",
    "not_before": "2020-01-01T00:00:00Z", "expires_at": "2099-01-01T00:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_an_edit_of_any_column_is_seen_and_leaves_its_event(
    recoveries: Recoveries, person: Person, column: str
) -> None:
    case = recoveries.of(person).case_id
    with recoveries.vault.keys.superuser() as conn:
        conn.execute("DELETE FROM notifications WHERE case_id = %s", (case,))
        conn.execute("DELETE FROM regain_keys WHERE case_id = %s", (case,))
        query = sql.SQL("UPDATE cases SET {} = %s WHERE case_id = %s RETURNING case_id")
        row = conn.execute(query.format(sql.Identifier(column)), (COLUMNS[column], case)).fetchone()
    edited = UUID(str(row[0])) if row else case

    with pytest.raises(CaseRefusedError):
        genuine(recoveries.service, recoveries.row(edited))
    assert recoveries.events(edited)[-1] == KeysEvent.CASE_INTEGRITY_FAILED


@pytest.mark.parametrize("state", ["open", "executing"])
def test_a_case_that_has_ended_is_not_opened_again_by_an_edit(
    recoveries: Recoveries, person: Person, state: str
) -> None:
    """Else what a veto or its user ended could be executed after all, and what was executed once more."""
    vetoed, cancelled = recoveries.of(person).case_id, recoveries.of(person).case_id
    recoveries.veto("ana", vetoed)
    person.unlock()
    with recoveries.vault.keys.superuser() as conn:
        conn.execute("UPDATE cases SET state = %s WHERE case_id IN (%s, %s)", (state, vetoed, cancelled))

    for case in (vetoed, cancelled):
        with pytest.raises(CaseRefusedError, match="open again"):
            genuine(recoveries.service, recoveries.row(case))
        assert recoveries.events(case)[-1] == KeysEvent.CASE_INTEGRITY_FAILED


def test_a_case_that_ends_while_it_is_read_is_no_alarm(recoveries: Recoveries, person: Person) -> None:
    before = recoveries.row(recoveries.of(person).case_id)
    recoveries.veto("ana", before.case)

    assert genuine(recoveries.service, before).case_id == before.case


def test_every_column_but_those_that_live_is_tried_above(recoveries: Recoveries) -> None:
    """What changes in a case's life is judged by the trail and by clocks, or harms nobody."""
    with recoveries.vault.keys.superuser() as conn:
        names = conn.execute(
            "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'cases'"
        ).fetchall()
    alive = {"state", "waited_s", "wrong_identifications", "ceremony_id", "result", "closed_at"}
    alive.add("login_index_gen")  # which only decides how long that key is kept
    assert {name for (name,) in names} == COLUMNS.keys() | alive


CHANGES: dict[str, object] = {
    "user_id": new_uuid(), "dek_id": new_uuid(), "tenant": new_uuid(), "epoch": 7, "stolen": True,
    "target_pk": "04" + "ab" * 64, "quorum": 3, "escrow_gen": 2, "manifest_serial": 99,
    "manifest_hash": "ab" * 32,
    "nonce": "cd" * 32, "reason": "because", "expires_at": "2099-01-01T00:00:00.000000Z",
}  # fmt: skip


@pytest.mark.parametrize("member", CHANGES)
def test_an_edit_of_any_member_of_the_case_is_seen_though_the_columns_agree(
    recoveries: Recoveries, person: Person, member: str
) -> None:
    row = recoveries.row(recoveries.of(person).case_id)
    case = recoveries.case(row.case)
    edited = msgspec.structs.replace(case, **{member: CHANGES[member]})
    planted = case_row(edited, edited.encode(), row.mac)

    with pytest.raises(CaseRefusedError):
        genuine(recoveries.service, planted)


def test_a_case_of_an_attackers_own_has_no_mac(recoveries: Recoveries, person: Person) -> None:
    """Neither another case's MAC, nor a decoy's, nor one of his own making; it is told to nobody either."""
    model = recoveries.case(recoveries.of(person).case_id)
    own = msgspec.structs.replace(model, case_id=new_uuid(), target_pk="04" + "ab" * 64)
    _, as_decoy = seal_case(recoveries.service, own, decoy=True)
    for mac in (recoveries.row(model.case_id).mac, as_decoy, hashlib.sha256(own.encode()).digest()):
        with pytest.raises(CaseRefusedError):
            genuine(recoveries.service, case_row(own, own.encode(), mac))


def test_a_decoy_is_made_a_case_by_no_edit_nor_the_other_way_round(
    recoveries: Recoveries, person: Person
) -> None:
    for login in (person.login, nobody()):
        row = recoveries.row(recoveries.begin(login).case_id)
        with pytest.raises(CaseRefusedError):
            genuine(recoveries.service, replace(row, decoy=not row.decoy))


@pytest.mark.parametrize("epoch", [b"1", b"%d" % 2**60], ids=["of another one", "that cannot be read"])
def test_a_planted_case_keeps_nobody_from_signing_in_and_is_noticed(
    recoveries: Recoveries, person: Person, epoch: bytes
) -> None:
    model = recoveries.row(recoveries.of(person, stolen=True).case_id)
    model = replace(model, body=model.body.replace(b'"epoch":1', b'"epoch":' + epoch))
    planted = plant(recoveries, model, person.user)

    assert person.opens_with(PASSWORD)
    assert recoveries.events(planted.case) == [KeysEvent.CASE_INTEGRITY_FAILED]
    assert recoveries.row(planted.case).state == "open"


def plant(recoveries: Recoveries, model: CaseRow, user: UserId) -> CaseRow:
    later = model.expires_at + timedelta(days=1)
    row = replace(model, case=CaseId(new_uuid()), user=user, app=AppId(new_uuid()), expires_at=later)
    with recoveries.service.db.transaction() as conn:
        assert insert_case(conn, row)
    return row
