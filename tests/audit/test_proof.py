"""The proof of one event: whoever changed the database gets none, whoever did not has one that holds."""

import json
from collections.abc import Iterator
from typing import LiteralString
from uuid import UUID, uuid4

import pytest

from tests.audit.exporting import as_auditor
from tests.audit.planted import plant
from tests.audit.sealed_log import SealedVault, sealed_vault
from tests.rig.postgres import TestServer, fresh_database
from vault_service.audit.proof import Proof, prove_event
from vault_service.domain.errors import IntegrityError, NotFoundError
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.logs import LOGS, LogName
from vault_service.domain.web_errors import NotSealedYetError
from vault_service.verify.receipts import verify_receipts


@pytest.fixture(scope="module")
def sealed(postgres: TestServer) -> Iterator[SealedVault]:
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        made = sealed_vault(keys, records)
        made.traffic(20, reads=29)
        made.seal()
        yield made


@pytest.fixture
def own(sealed: SealedVault, postgres: TestServer) -> Iterator[SealedVault]:
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        made = sealed_vault(keys, records)
        made.traffic(3, reads=5)
        made.seal()
        yield made


def _some_event(sealed: SealedVault, log: LogName) -> tuple[UUID, UUID]:
    part = sealed.keys if log == "keys" else sealed.records
    with part.db.superuser() as conn:
        row = conn.execute("SELECT user_id, event_id FROM audit_leaves WHERE leaf_index = 2").fetchone()
    assert row is not None
    return UUID(str(row[0])), UUID(str(row[1]))


def _prove(sealed: SealedVault, log: LogName, user: UUID, event: UUID, key_file: str = "") -> Proof:
    with as_auditor(sealed, log) as databases:
        return prove_event(databases[log], log, user, event, key_file or sealed.keys.notary.key_file())


@pytest.mark.parametrize("log", LOGS)
def test_the_proof_of_either_log_holds_for_whoever_has_the_keys(sealed: SealedVault, log: LogName) -> None:
    user, event = _some_event(sealed, log)

    proof = _prove(sealed, log, user, event)

    assert verify_receipts(proof.document, sealed.keys.notary.key_file().encode()).findings == []
    assert (json.loads(proof.leaf)["event_id"], proof.index) == (str(event), 2)
    assert proof.checkpoint.count("\n— ") == 2, "signed and cosigned"


ATTACKS: dict[str, LiteralString] = {
    "its time": "UPDATE audit_events SET at = at - interval '1 hour'",
    "its user": "UPDATE audit_events SET kind = 11 WHERE kind = 3",
    "its place": "UPDATE audit_leaves SET leaf_index = 99 WHERE leaf_index = 1; "
    "UPDATE audit_leaves SET leaf_index = 1 WHERE leaf_index = 2",
    "the tree": "UPDATE audit_tiles SET hashes = set_byte(hashes, 5, 255 - get_byte(hashes, 5))",
    "the tree, which is gone": "DELETE FROM audit_tiles",
    "the head": "UPDATE audit_checkpoints SET note = replace(note, 'keys', 'kexs')",
    "who cosigned": r"UPDATE audit_checkpoints SET note = regexp_replace(note, '— tests/witness.*\n', '')",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_whoever_changed_the_database_gets_no_proof(own: SealedVault, attack: LiteralString) -> None:
    user, event = _some_event(own, "keys")
    own.keys.tamper(attack)

    with pytest.raises(IntegrityError):
        _prove(own, "keys", user, event)


def test_a_head_of_another_vault_s_key_proves_nothing(sealed: SealedVault, own: SealedVault) -> None:
    user, event = _some_event(sealed, "keys")

    with pytest.raises(IntegrityError, match=r"note\.signature"):
        _prove(sealed, "keys", user, event, own.keys.notary.key_file())


@pytest.mark.parametrize("log", LOGS)
def test_an_event_that_no_head_covers_yet_has_no_proof_yet(sealed: SealedVault, log: LogName) -> None:
    part = sealed.keys if log == "keys" else sealed.records
    kind = KeysEvent.UNLOCKED if log == "keys" else RecordsEvent.RECORD_READ
    user = uuid4()
    event = plant(part.db, "2026-11-27T10:00Z", kind, event=uuid4(), user=user)

    with pytest.raises(NotSealedYetError):
        _prove(sealed, log, user, event)


def test_an_event_that_there_is_not_is_not_found(sealed: SealedVault) -> None:
    with pytest.raises(NotFoundError):
        _prove(sealed, "keys", uuid4(), uuid4())


def test_a_leaf_that_the_newest_head_does_not_have_yet_has_no_proof_yet(own: SealedVault) -> None:
    """The worker has put it into the tree; the key service has not signed."""
    own.traffic(3, reads=5)
    own.seal()
    own.keys.tamper("DELETE FROM audit_checkpoints WHERE tree_size > 3")
    with own.keys.db.superuser() as conn:
        row = conn.execute("SELECT user_id, event_id FROM audit_leaves WHERE leaf_index = 4").fetchone()
    assert row is not None

    with pytest.raises(NotSealedYetError):
        _prove(own, "keys", UUID(str(row[0])), UUID(str(row[1])))
