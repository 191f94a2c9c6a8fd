"""A log's head is signed, kept and reported, turn by turn, whatever goes away in between."""

import json
from dataclasses import replace

import pytest

from tests.audit.sealers import sealer
from tests.audit.trail import WRITERS, sealed, write_event, write_many
from tests.rig.people import enrol, kms_of
from tests.rig.vault import Vault
from vault_service.audit.errors import CosignaturesMissingError, OlderDatabaseError
from vault_service.audit.sealing import SealerParts
from vault_service.domain.errors import KmsUnavailableError
from vault_service.domain.logs import key_name
from vault_service.kms.protocol.messages import Health, HealthIs, LogHead, LogHeadIs, LogSealing
from vault_service.policy.rules import AuditPolicy, CheckpointRule
from vault_service.storage.roles import Side
from vault_service.tlog.note import ED25519, VerifierKey, parse_note, verified


def sealing_of(vault: Vault, side: Side) -> LogSealing:
    """What the key service tells of a log."""
    health = kms_of(vault).call(Health(), HealthIs)
    return next(log for log in health.logs if log.log == side)


def audit_key(vault: Vault, side: Side) -> VerifierKey:
    """Of the manifest: what an auditor pins."""
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT body FROM manifests ORDER BY serial DESC LIMIT 1").fetchone()
    assert row is not None
    assert isinstance(row[0], bytes)
    key = json.loads(row[0])["keys"]["audit_signing"][0]["public_key"]
    return VerifierKey(key_name(vault.fingerprint, side), ED25519, bytes.fromhex(key))


def test_what_a_user_does_stands_under_a_signed_head_after_a_turn(sealing_vault: Vault) -> None:
    person = enrol(sealing_vault, kms_of(sealing_vault))
    person.unlock()

    with sealer(sealing_vault, "keys") as rig:
        assert not rig.sealer.turn()

        log = sealed(sealing_vault.keys)
        log.assert_sound()
        assert (rig.head().size, rig.head().root) == (log.size, log.root)
        verified(parse_note(rig.counted().note), [audit_key(sealing_vault, "keys")])
        assert rig.file.newest() == rig.counted().note
        told = rig.kms.call(LogHead("keys"), LogHeadIs)
        assert (told.size, told.root) == (log.size, log.root)
        assert rig.figure("sealed_size") == log.size
        assert rig.figure("unsealed_events") == 0
    about = sealing_of(sealing_vault, "keys")
    assert (about.sealed_size, about.unsealed) == (log.size, 0)


def test_an_empty_log_has_a_head_as_well(fragile_vault: Vault) -> None:
    """Which shows until when there was nothing: an export of a new vault waits for it."""
    with sealer(fragile_vault, "records") as rig:
        before = rig.database_clock()
        rig.sealer.turn()
        assert rig.head().size == 0
        assert rig.counted().covers_until >= before
        write_many(fragile_vault.records, 1)
        rig.sealer.turn()
        assert rig.head().size == 1


def test_an_idle_log_is_signed_anew_now_and_then_and_when_somebody_asks(sealing_vault: Vault) -> None:
    """An idle log's newest head shows until when nothing was kept back."""
    write_many(sealing_vault.records, 3)
    with sealer(sealing_vault, "records") as rig:
        rig.sealer.turn()
        first = rig.counted()
        rig.calls.clear()

        rig.sealer.turn()
        assert rig.calls == ["report_sealed"], "nothing new: nothing is signed"
        assert rig.counted() == first

        before = rig.database_clock()
        rig.sealer.turn(asked=True)
        asked = rig.counted()
        assert (asked.size, asked.note) == (first.size, first.note)
        assert asked.covers_until >= before

        rig.clock.now += 10.0  # the policy's refresh_s
        before = rig.database_clock()
        rig.sealer.turn()
        assert rig.counted().covers_until >= before


def test_a_head_covers_nothing_that_is_not_in_it(sealing_vault: Vault) -> None:
    """While an older transaction runs, younger ones that were committed wait: no head may claim them."""
    with sealer(sealing_vault, "records") as rig:
        write_many(sealing_vault.records, 1)
        rig.sealer.turn()
        with sealing_vault.records.connect(WRITERS["records"]) as slow:
            slow.execute("BEGIN")
            size = rig.counted().size
            write_event(slow, "records")
            write_many(sealing_vault.records, 1)
            committed = rig.database_clock()
            for _ in range(3):
                rig.sealer.turn(asked=True)
                assert rig.counted().size == size
                assert rig.counted().covers_until < committed
            assert (rig.figure("unsealed_events") or 0) >= 1
            slow.execute("COMMIT")
            ended = rig.database_clock()

        rig.sealer.turn()

        assert rig.counted().size == size + 2
        assert rig.counted().covers_until >= committed
        rig.sealer.turn(asked=True)
        assert rig.counted().covers_until >= ended


def test_while_others_keep_writing_what_heads_cover_moves_on(sealing_vault: Vault) -> None:
    """On a busy log some younger transaction has always been committed already."""
    with (
        sealer(sealing_vault, "records") as rig,
        sealing_vault.records.connect(WRITERS["records"]) as one,
        sealing_vault.records.connect(WRITERS["records"]) as other,
    ):
        for conn in (one, other):
            conn.execute("BEGIN")
            write_event(conn, "records")
        covered = []
        for _ in range(3):
            for conn in (one, other):  # one of them is always in the middle of its transaction
                conn.execute("COMMIT")
                conn.execute("BEGIN")
                write_event(conn, "records")
                rig.sealer.turn()
                covered.append(rig.counted().covers_until)
        assert covered[-1] > covered[1]


def test_without_the_key_service_events_become_leaves_and_are_signed_later(sealing_vault: Vault) -> None:
    with sealer(sealing_vault, "records") as rig:
        rig.sealer.turn()
        size = rig.counted().size
        write_many(sealing_vault.records, 4)
        sealing_vault.running["kms"].kill()

        with pytest.raises(KmsUnavailableError):
            rig.sealer.turn()
        assert sealed(sealing_vault.records).size == size + 4
        assert rig.counted().size == size
        assert rig.figure("unsealed_events") == 4

        sealing_vault.start_forked_kms()
        rig.sealer.turn()
        assert rig.counted().size == size + 4


def test_a_head_without_enough_cosignatures_does_not_count(sealing_vault: Vault) -> None:
    def demanding(parts: SealerParts) -> SealerParts:
        return replace(parts, policy=AuditPolicy(parts.policy.sealing, CheckpointRule(cosignatures=1)))

    with sealer(sealing_vault, "records") as rig:
        write_many(sealing_vault.records, 1)
        rig.sealer.turn()
        before, held = rig.counted(), rig.file.newest()
    write_many(sealing_vault.records, 2)
    with sealer(sealing_vault, "records", more=demanding) as rig:
        with pytest.raises(CosignaturesMissingError):
            rig.sealer.turn()

        assert rig.counted() == before
        assert rig.file.newest() == held
        assert rig.figure("unsealed_events") == 2
        assert "report_sealed" in rig.calls, "the key service is told all the same"
    assert sealing_of(sealing_vault, "records").unsealed == 2


def test_a_superuser_who_changes_a_sealed_tile_gets_no_signature(fragile_vault: Vault) -> None:
    with sealer(fragile_vault, "records") as rig:
        write_many(fragile_vault.records, 300)
        rig.sealer.turn()
        with fragile_vault.records.superuser() as conn:
            conn.execute("ALTER TABLE audit_tiles DISABLE TRIGGER ALL")
            conn.execute(
                """UPDATE audit_tiles SET hashes = set_byte(hashes, 9, 255 - get_byte(hashes, 9))
                   WHERE level = 0 AND tile_index = 1"""
            )
        write_many(fragile_vault.records, 1)
        rig.calls.clear()

        with pytest.raises(OlderDatabaseError):
            rig.sealer.turn()

        assert "sign_checkpoint" not in rig.calls
        assert rig.counted().size == 300


def test_two_sealers_of_one_log_do_no_harm(sealing_vault: Vault) -> None:
    """A second worker, started by mistake or on another host: turns alternate, and every head is sound."""
    with sealer(sealing_vault, "records") as one, sealer(sealing_vault, "records") as other:
        one.sealer.turn()
        size = sealed(sealing_vault.records).size
        for _ in range(4):
            for rig in (one, other):
                write_many(sealing_vault.records, 3)
                rig.sealer.turn()
                size += 3
                assert rig.counted().size == rig.head().size == size
        one.sealer.turn(asked=True)
    sealed(sealing_vault.records).assert_sound()


def test_a_databases_clock_that_is_set_back_does_not_hide_how_long_events_wait(sealing_vault: Vault) -> None:
    """Or a superuser who writes that all is covered until the year 9000."""
    with sealer(sealing_vault, "records") as rig:
        write_many(sealing_vault.records, 1)
        rig.sealer.turn()
        with sealing_vault.records.superuser() as conn:
            conn.execute("UPDATE audit_checkpoints SET covers_until = '9000-01-01'")
        write_many(sealing_vault.records, 1)
        sealing_vault.running["kms"].kill()
        rig.clock.now += 200

        with pytest.raises(KmsUnavailableError):
            rig.sealer.turn()

        assert (rig.figure("unsealed_age_seconds") or 0) >= 200
        sealing_vault.start_forked_kms()
