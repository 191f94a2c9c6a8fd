"""What workers report of their logs, over the real token and database, and who is let in by it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from tests.kms.logs import Cosigner, Log, as_caller, ask, last_head, sign
from tests.kms.test_sealing_limit import RULE, Clock
from tests.rig.people import enrol, kms_of
from tests.rig.postgres import TestServer
from tests.rig.tokens import opened
from tests.rig.vault import PASSWORD, Vault, settings_of, vault_of_its_own
from vault_service.bootstrap.kms import build_key_service
from vault_service.crypto.recovery_code import format_code
from vault_service.domain.audit_errors import HeadsDisagreeError, ReportRefusedError, UnsealedError
from vault_service.domain.errors import CallerRefusedError, ConfigurationError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import new_uuid
from vault_service.domain.logs import LogName
from vault_service.kms import dispatch
from vault_service.kms.health import health
from vault_service.kms.limits.sealing_watch import SealedReport, SealingWatch
from vault_service.kms.protocol.messages import (
    Done,
    Enrol,
    Epoch,
    EpochIs,
    Health,
    HealthIs,
    Refusal,
    ReportSealed,
    Unlock,
    Unlocked,
)
from vault_service.kms.protocol.recovery_messages import BeginRecovery, RedeemRecoveryCode
from vault_service.kms.recovery.begin_recovery import begin_recovery
from vault_service.kms.sealing.report_sealed import count_events, report_sealed
from vault_service.kms.service import KeyService
from vault_service.kms.users.enrol import enrol as enrol_user
from vault_service.kms.users.recovery_code import redeem_recovery_code
from vault_service.kms.users.unlock import unlock
from vault_service.settings import Witness
from vault_service.storage.keys.events import insert_event

LOGS: tuple[LogName, ...] = ("keys", "records")


@pytest.fixture(scope="module")
def watching(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault of this module's own: its log is signed."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


WITNESS, STRANGER = Cosigner("witness.example/1"), Cosigner("stranger.example/1")


@dataclass
class Watching:
    """A key service in this process, with one witness, a clock and limits of the test's own."""

    vault: Vault
    service: KeyService
    clock: Clock


@pytest.fixture(scope="module")
def built(watching: Vault) -> Iterator[KeyService]:
    settings = settings_of(watching)
    witness = Witness(vkey=WITNESS.vkey.format(), url="unix:/nowhere")
    settings = settings.model_copy(update={"witnesses": (witness,)})
    assert settings.kms is not None
    service = build_key_service(settings, settings.kms)
    opened(service.keyring.token)
    yield service
    service.db.close()
    service.keyring.token.close()


@pytest.fixture
def here(watching: Vault, built: KeyService) -> Watching:
    clock = Clock()
    audit = msgspec.structs.replace(built.policies.audit, sealing=RULE)
    policies = msgspec.structs.replace(built.policies, audit=audit)
    return Watching(watching, replace(built, policies=policies, sealing=SealingWatch(RULE, clock)), clock)


@pytest.fixture(scope="module")
def sealed(watching: Vault) -> tuple[Log, str]:
    """A records log of 20 leaves with its signed head."""
    log = Log().grow_to(20)
    return log, ask(watching, log.asking(0, "records"))


def reported(note: str | None, *, unsealed: int = 0, waited_s: float = 0.0) -> ReportSealed:
    return ReportSealed("records", note, unsealed, waited_s)


def test_a_cosigned_head_is_believed_and_shown(here: Watching, sealed: tuple[Log, str]) -> None:
    here.clock.now += 250

    report_sealed(here.service, "worker_records", reported(WITNESS.cosign(sealed[1]), unsealed=3))

    (_, records) = health(here.service, Health()).logs
    left_out = last_head(here.vault, "records").size - 20  # by what other tests have had signed
    assert (records.sealed_size, records.unsealed, records.oldest_unsealed_s) == (20, max(3, left_out), 0)
    assert records.reported_s_ago == 0


def test_what_the_witness_s_clock_showed_is_kept_of_the_newest_report(
    here: Watching, sealed: tuple[Log, str]
) -> None:
    """A waiting period ends by it; a witness whose clock had jumped ahead is believed no longer than that."""
    kept, note = here.service.sealing.cosigned_at, sealed[1]
    assert kept("records") is None
    for at in (1_900_000_000, 1_764_235_243):
        cosigned = WITNESS.cosign(STRANGER.cosign(note, at + 1_000_000), at)
        report_sealed(here.service, "worker_records", reported(cosigned))
        assert kept("records") == at
    report_sealed(here.service, "worker_records", reported(None))
    assert kept("records") is None
    assert kept("keys") is None


def test_a_head_without_enough_cosignatures_is_refused(here: Watching, sealed: tuple[Log, str]) -> None:
    note = sealed[1]
    for poor in (note, STRANGER.cosign(note)):
        with pytest.raises(ReportRefusedError, match="0 of 1"):
            report_sealed(here.service, "worker_records", reported(poor))
    (_, records) = health(here.service, Health()).logs
    assert records.reported_s_ago is None


def test_a_cosignature_of_another_head_is_refused(here: Watching, sealed: tuple[Log, str]) -> None:
    log, note = sealed
    larger = WITNESS.cosign(note)
    forged = larger.replace("\n20\n", "\n19\n")
    other = f"{larger.rsplit(chr(10), 2)[0]}\n{STRANGER.cosign(note).splitlines()[-1]}\n"
    del log
    with pytest.raises(ReportRefusedError):
        report_sealed(here.service, "worker_records", reported(forged))
    with pytest.raises(ReportRefusedError):
        report_sealed(here.service, "worker_records", reported(other))


def test_a_head_that_only_the_witness_signed_is_refused(here: Watching, sealed: tuple[Log, str]) -> None:
    lines = WITNESS.cosign(sealed[1]).splitlines(keepends=True)
    without_ours = "".join(line for line in lines if "/records " not in line)
    with pytest.raises(ReportRefusedError, match="this vault has not signed"):
        report_sealed(here.service, "worker_records", reported(without_ours))


def test_a_head_of_the_other_log_is_refused(here: Watching, sealed: tuple[Log, str]) -> None:
    del sealed
    keys_note = WITNESS.cosign(sign(here.vault, Log(), 0))
    with pytest.raises(ReportRefusedError):
        report_sealed(here.service, "worker_records", reported(keys_note))


def test_a_signed_head_that_is_left_out_of_the_report_is_counted(
    here: Watching, sealed: tuple[Log, str]
) -> None:
    """A worker cannot hide behind an old head, nor behind none."""
    log, note = sealed
    old = WITNESS.cosign(note)
    before = last_head(here.vault, "records").size
    newer = ask(here.vault, log.grow_to(before + 30).asking(before, "records"))
    report_sealed(here.service, "worker_records", reported(old))
    (_, records) = health(here.service, Health()).logs
    assert (records.sealed_size, records.unsealed) == (20, before + 30 - 20)

    here.clock.now += 200
    report_sealed(here.service, "worker_records", reported(None))
    (_, records) = health(here.service, Health()).logs
    assert (records.unsealed, records.oldest_unsealed_s) == (before + 30, 200)
    assert last_head(here.vault, "records").note == newer


def test_a_signed_head_that_is_not_remembered_shows_that_the_memory_was_rolled_back(
    here: Watching, sealed: tuple[Log, str]
) -> None:
    log, _ = sealed
    before = last_head(here.vault, "records").size
    files = here.vault.home / "state" / "kms" / "signed-heads"
    shutil.copy(files, files.with_suffix(".before"))
    newer = ask(here.vault, log.grow_to(before + 5).asking(before, "records"))
    try:
        with here.vault.keys.superuser() as conn:
            row = conn.execute("DELETE FROM signed_heads WHERE log = 'records' RETURNING *").fetchone()
            shutil.move(files.with_suffix(".before"), files)
            with pytest.raises(HeadsDisagreeError):
                report_sealed(here.service, "worker_records", reported(WITNESS.cosign(newer)))
    finally:
        assert row is not None
        with here.vault.keys.superuser() as conn:
            conn.execute("INSERT INTO signed_heads VALUES (%s, %s, %s, %s, %s)", row)


@pytest.mark.parametrize(("caller", "log"), [("worker_keys", "records"), ("worker_records", "keys")])
def test_a_worker_cannot_speak_for_the_other_side(here: Watching, caller: str, log: LogName) -> None:
    with pytest.raises(CallerRefusedError):
        as_caller(here.vault, caller).call(ReportSealed(log, None, 0, 0.0), Done)
    with pytest.raises(CallerRefusedError):
        report_sealed(here.service, caller, ReportSealed(log, None, 0, 0.0))


def test_past_the_limit_nobody_signs_in_or_up_and_everything_else_goes_on(here: Watching) -> None:
    person = enrol(here.vault, kms_of(here.vault))
    here.clock.now += 301

    with pytest.raises(UnsealedError):
        unlock(here.service, Unlock(here.vault.app_key, person.login, person.password))
    with pytest.raises(UnsealedError):
        enrol_user(here.service, Enrol(here.vault.app_key, new_uuid(), "late@example.org", PASSWORD))
    state = health(here.service, Health())
    assert (state.sealing, state.audit, state.token) == ("audit.unsealed", "ok", "ok")
    body = msgspec.json.encode(Epoch(person.user))
    assert isinstance(dispatch.answer(here.service, dispatch.Caller("api", "x"), "epoch", body), EpochIs)

    here.service.sealing.reported("keys", SealedReport(0, 0, 0.0, proved=True))
    here.service.sealing.reported("records", SealedReport(0, 0, 0.0, proved=True))
    assert unlock(here.service, Unlock(here.vault.app_key, person.login, person.password)).epoch == 1
    assert health(here.service, Health()).sealing == "ok"


def test_nor_does_anybody_get_in_by_a_recovery_code_or_ask_for_a_regain(here: Watching) -> None:
    """Both leave a new password, which nobody could be shown to have set."""
    key, login, here.clock.now = here.vault.app_key, "late@example.org", here.clock.now + 301
    recovery = here.service.policies.recovery
    codes = msgspec.structs.replace(recovery.recovery_code, enabled=True)
    recovery = msgspec.structs.replace(recovery, recovery_code=codes)
    service = replace(
        here.service, policies=msgspec.structs.replace(here.service.policies, recovery=recovery)
    )

    with pytest.raises(UnsealedError):
        redeem_recovery_code(service, RedeemRecoveryCode(key, login, format_code(bytes(16)), PASSWORD))
    with pytest.raises(UnsealedError):
        begin_recovery(service, BeginRecovery(key, new_uuid(), login, PASSWORD))


def test_the_refusal_says_that_it_ends_by_itself(here: Watching) -> None:
    here.clock.now += 301
    request = msgspec.json.encode(Unlock(here.vault.app_key, "ana@example.org", PASSWORD))
    answer = dispatch.answer(here.service, dispatch.Caller("api", "x"), "unlock", request)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.retry_after_s) == ("audit.unsealed", 10)
    assert "ends by itself" in UnsealedError.remedy


def sequence_all(vault: Vault) -> None:
    """The tree's end as its worker leaves it, whatever events of another cluster a test has planted."""
    with vault.keys.superuser() as conn:
        conn.execute(
            """UPDATE audit_tree SET (last_tx, last_user_id, last_event_id) =
                 (SELECT tx, user_id, event_id FROM audit_events WHERE tx <= pg_current_xact_id()
                   ORDER BY tx DESC, user_id DESC, event_id DESC LIMIT 1)"""
        )


def test_the_key_service_counts_what_its_database_holds_beyond_the_tree(here: Watching) -> None:
    sequence_all(here.vault)
    with here.service.db.transaction() as conn:
        for _ in range(51):
            insert_event(conn, KeysEvent.APP_REFUSED, here.service.now())

    count_events(here.service)

    assert here.service.sealing.logs()[0].unsealed == 51
    with pytest.raises(UnsealedError, match="51 events"):
        here.service.sealing.demand()
    sequence_all(here.vault)
    count_events(here.service)
    assert here.service.sealing.logs()[0].unsealed == 0


def test_ids_of_another_cluster_do_not_count_as_unsealed(here: Watching) -> None:
    """Put back from a dump, old events have ids that this cluster has not come to: nobody could sign in."""
    sequence_all(here.vault)
    with here.vault.keys.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at, tx)
               SELECT gen_random_uuid(), gen_random_uuid(), 3, now(), '1099511627776'
               FROM generate_series(1, 60)"""
        )

    count_events(here.service)

    assert here.service.sealing.logs()[0].unsealed == 0
    here.service.sealing.demand()


def test_a_witness_of_the_settings_must_be_a_cosigner(watching: Vault) -> None:
    settings = settings_of(watching)
    assert settings.kms is not None
    log_key = replace(WITNESS.vkey, key_type=1).format()
    for vkey in ("nonsense", log_key):
        wrong = settings.model_copy(update={"witnesses": (Witness(vkey=vkey, url="unix:/x"),)})
        with pytest.raises(ConfigurationError, match="vkey"):
            build_key_service(wrong, settings.kms)


def test_health_over_the_socket_tells_of_both_logs(watching: Vault) -> None:
    answer = as_caller(watching, "operator").call(Health(), HealthIs)
    assert [each.log for each in answer.logs] == ["keys", "records"]
    assert answer.sealing == "ok"


def test_a_running_key_service_takes_reports_over_its_workers_sockets(watching: Vault) -> None:
    done = as_caller(watching, "worker_keys").call(ReportSealed("keys", None, 0, 0.0), Done)
    assert done is not None
    (keys, _) = as_caller(watching, "operator").call(Health(), HealthIs).logs
    assert keys.reported_s_ago is not None
    assert as_caller(watching, "api").call(
        Unlock(watching.app_key, enrol(watching, kms_of(watching)).login, PASSWORD), Unlocked
    )
