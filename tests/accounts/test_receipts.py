"""Whoever touched my data: each access comes with a proof that it is in the sealed log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import sentinel

import pytest

from tests.audit.sealed_log import Notary, SealedLog
from tests.records.signed_in import POLICIES, Records, Somebody
from tests.rig.postgres import TestDatabase
from vault_service.accounts.accounts import Accounts
from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import IntegrityError, MustChangePasswordError, SessionRefusedError
from vault_service.domain.ids import new_uuid
from vault_service.tlog.checkpoint import parse_checkpoint
from vault_service.tlog.merkle import leaf_hash, verify_inclusion
from vault_service.tlog.note import parse_note
from vault_service.verify.receipts import verify_receipts


@dataclass
class Trail:
    """A records database with its log, sealed when a test says so."""

    records: Records
    log: SealedLog
    accounts: Accounts

    def bundle(self, who: Somebody) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(b"".join(self.accounts.receipts(who.token)))
        return document

    def findings(self, who: Somebody) -> list[str]:
        document = b"".join(self.accounts.receipts(who.token))
        report = verify_receipts(document, self.log.notary.key_file().encode())
        return [finding.name for finding in report.findings]


@pytest.fixture
def trail(records_db: TestDatabase) -> Iterator[Trail]:
    db = records_db.open("vault_api", size=1)
    records = Records(records_db, db)
    parts = AccountParts(db, sentinel.never_asked, POLICIES, records.clock)
    yield Trail(records, SealedLog(records_db, "records", Notary()), Accounts(parts))
    db.close()


def busy(trail: Trail, records: int = 5) -> Somebody:
    who = trail.records.sign_up()
    for _ in range(records):
        trail.records.keep(who)
    return who


def test_each_sealed_access_is_proven_to_be_in_the_checkpoint(trail: Trail) -> None:
    ana = busy(trail)
    busy(trail, 300)
    note = trail.log.seal()
    checkpoint = parse_checkpoint(parse_note(note).text)

    page = trail.accounts.accesses(ana.token, 50, None)

    assert len(page.items) == 5
    for access in page.items:
        assert access.seal is not None
        assert access.seal.checkpoint == note
        leaf = leaf_hash(access.seal.leaf.encode())
        verify_inclusion(leaf, access.seal.index, checkpoint.size, access.seal.proof, checkpoint.root)
        assert json.loads(access.seal.leaf)["record_id"] == str(access.record_id)


def test_what_is_not_sealed_yet_has_no_seal(trail: Trail) -> None:
    ana = busy(trail)
    trail.log.seal()
    trail.records.keep(ana)

    page = trail.accounts.accesses(ana.token, 50, None)

    assert [access.seal is None for access in page.items] == [True] + [False] * 5


def test_a_leaf_beyond_the_newest_checkpoint_that_counts_is_not_sealed(trail: Trail) -> None:
    """Its witnesses have not cosigned yet: a proof to that tree would prove nothing."""
    ana = busy(trail)
    trail.log.seal()
    trail.records.keep(ana)
    trail.log.seal()
    trail.log.tamper("DELETE FROM audit_checkpoints WHERE tree_size = 6")

    assert trail.accounts.accesses(ana.token, 50, None).items[0].seal is None
    assert trail.bundle(ana)["unsealed"] == 2


def test_before_the_first_checkpoint_nothing_is_sealed(trail: Trail) -> None:
    ana = busy(trail)

    assert [access.seal for access in trail.accounts.accesses(ana.token, 50, None).items] == [None] * 5
    assert trail.bundle(ana) | {"user_id": None} == {
        "v": 1, "log": "records", "user_id": None, "checkpoint": None, "receipts": [], "unsealed": 6,
    }  # fmt: skip


@pytest.mark.parametrize("events", [1, 199, 200, 201, 401])
def test_a_bundle_holds_every_sealed_access_and_is_sound(trail: Trail, events: int) -> None:
    ana = busy(trail, 1)
    trail.records.sql(
        """INSERT INTO audit_events (user_id, event_id, kind, at)
           SELECT %(user)s, gen_random_uuid(), 11, now() FROM generate_series(2, %(events)s)""",
        user=ana.user, events=events,
    )  # fmt: skip
    busy(trail, 3)
    trail.log.seal()

    bundle = trail.bundle(ana)

    assert len({receipt["index"] for receipt in bundle["receipts"]}) == events
    assert trail.findings(ana) == []


def test_of_a_long_trail_only_what_others_did_meanwhile_is_unsealed(trail: Trail) -> None:
    """Each page leaves an event, which the next pages meet: without end somebody would fetch again."""
    ana = trail.records.sign_up()
    with trail.records.database.superuser() as conn:  # ids that rise with time, as the vault's do
        conn.cursor().executemany(
            "INSERT INTO audit_events (user_id, event_id, kind, at) VALUES (%s, %s, 11, now())",
            [(ana.user, new_uuid()) for _ in range(450)],
        )
    trail.log.seal()

    bundle = trail.bundle(ana)

    assert (len(bundle["receipts"]), bundle["unsealed"]) == (450, 0)
    assert trail.records.events(ana)["accesses_read"] == 3
    assert trail.bundle(ana)["unsealed"] == 3


def test_nobody_gets_a_receipt_of_somebody_else(trail: Trail) -> None:
    ana, ben = busy(trail), busy(trail)
    trail.log.seal()

    for who in (ana, ben):
        about = {json.loads(receipt["leaf"])["user_id"] for receipt in trail.bundle(who)["receipts"]}
        assert about == {str(who.user)}


def test_asking_for_receipts_is_an_access_too(trail: Trail) -> None:
    ana = busy(trail)

    list(trail.accounts.receipts(ana.token))

    assert trail.records.events(ana)["accesses_read"] == 1


def test_a_one_time_password_gets_no_receipts_and_no_first_byte(trail: Trail) -> None:
    ana = trail.records.sign_up(must_change=True)

    with pytest.raises(MustChangePasswordError):
        next(trail.accounts.receipts(ana.token))
    assert trail.records.events(ana)["accesses_read"] == 0


def test_a_session_that_ends_on_the_way_cuts_the_document_off(trail: Trail) -> None:
    ana = busy(trail, 1)
    trail.records.sql(
        """INSERT INTO audit_events (user_id, event_id, kind, at)
           SELECT %(user)s, gen_random_uuid(), 11, now() FROM generate_series(1, 500)""",
        user=ana.user,
    )
    trail.log.seal()
    pieces = trail.accounts.receipts(ana.token)
    next(pieces)
    trail.records.sql("DELETE FROM sessions WHERE user_id = %(user)s", user=ana.user)

    with pytest.raises(SessionRefusedError):
        list(pieces)


@pytest.mark.parametrize("statement", [
    "DELETE FROM audit_tiles",
    "UPDATE audit_tiles SET hashes = substring(hashes FOR 32)",
])  # fmt: skip
def test_an_altered_tree_is_not_passed_off_as_something_unsealed(trail: Trail, statement: str) -> None:
    ana = busy(trail)
    trail.log.seal()
    trail.log.tamper(statement)

    with pytest.raises(IntegrityError):
        trail.accounts.accesses(ana.token, 50, None)
    with pytest.raises(IntegrityError):
        next(trail.accounts.receipts(ana.token))


def test_an_altered_event_shows_in_its_receipt(trail: Trail) -> None:
    ana = busy(trail)
    trail.log.seal()
    trail.log.tamper("UPDATE audit_events SET app_id = NULL WHERE kind = 10")

    assert set(trail.findings(ana)) == {"receipt.proof"}


def test_an_event_of_a_kind_that_nobody_knows_hides_no_other(trail: Trail) -> None:
    """Of a newer version, or put there by a superuser: one row must not take the trail from its subject."""
    ana = busy(trail)
    trail.log.tamper(
        "UPDATE audit_events SET kind = 99 WHERE event_id = (SELECT event_id FROM audit_events "
        "ORDER BY event_id DESC LIMIT 1)"
    )
    trail.log.seal()

    page = trail.accounts.accesses(ana.token, 50, None)

    assert [access.what for access in page.items] == ["unknown_99", *["record_created"] * 4]
    assert trail.findings(ana) == []


def test_a_page_of_proofs_costs_two_statements_however_many_there_are(trail: Trail) -> None:
    ana = busy(trail, 40)
    busy(trail, 300)
    trail.log.seal()
    trail.accounts.accesses(ana.token, 40, None)  # from now on prepared

    trips: list[int] = []
    for limit in (5, 40):
        with trail.records.counted() as counted:
            trail.accounts.accesses(ana.token, limit, None)
        trips.append(counted.count())

    # session, BEGIN, page, checkpoint, tiles, event, COMMIT
    assert trips == [7, 7]
