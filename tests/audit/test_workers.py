"""Both workers as they run: heads that count, a witness within, and what happens without one of them."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.accounts.followed import followed
from tests.audit.sealers import database_of, set_policy
from tests.audit.trail import sealed, write_many
from tests.audit.whole import log_key, saved, start_worker, until, until_sealed, whole_vault, witness_key
from tests.promises.inside import rows_of
from tests.rig.people import enrol, kms_of
from tests.rig.postgres import TestServer
from tests.rig.started import start_forked_api
from tests.rig.vault import Vault, free_port
from vault_service.domain.events import KeysEvent
from vault_service.kms.protocol.messages import Health, HealthIs
from vault_service.storage.roles import SIDES, Side
from vault_service.tlog.note import parse_note, verified

pytestmark = pytest.mark.slow

METRICS_PORT = free_port()


def slow_down(vault: Vault) -> None:
    """Nothing is sealed but when somebody asks: what these tests see, they have asked for."""
    set_policy(vault, interval_s=60.0, refresh_s=3600.0)
    text = vault.settings_file.read_text()
    vault.settings_file.write_text(
        text.replace("[worker_keys]\n", f"[worker_keys]\nmetrics_port = {METRICS_PORT}\n")
    )


def scraped(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


@pytest.fixture(scope="module")
def vault(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    with whole_vault(scratch, postgres, slow_down) as running:
        yield running


@pytest.mark.parametrize("side", SIDES)
def test_a_head_is_signed_and_cosigned_as_soon_as_somebody_asks(vault: Vault, side: Side) -> None:
    enrol(vault, kms_of(vault))
    write_many(database_of(vault, side), 3)

    head = until_sealed(vault, side)

    signers = {
        key.name for key, _ in verified(parse_note(head.note), [log_key(vault, side), witness_key(vault)])
    }
    assert signers == {log_key(vault, side).name, "records.example.org/witness"}
    log = sealed(database_of(vault, side))
    log.assert_sound()
    assert head.size == log.size


def test_the_witness_remembers_both_logs_where_an_export_finds_them(vault: Vault) -> None:
    sizes = {side: until_sealed(vault, side).size for side in SIDES}

    def remembered() -> bool:
        with vault.records.superuser() as conn:
            rows = conn.execute("SELECT origin, tree_size FROM witnessed_heads").fetchall()
        return sorted(rows) == sorted((log_key(vault, side).name, size) for side, size in sizes.items())

    until(remembered, vault, "the witness's heads")


def test_prometheus_sees_how_far_a_log_is_sealed(vault: Vault) -> None:
    size = until_sealed(vault, "keys").size

    def shown() -> bool:
        figures = scraped(METRICS_PORT)
        expected = {"sealed_size": float(size), "unsealed_events": 0.0, "cosigners_away": 0.0}
        return all(
            figures.get(f'vault_audit_{name}{{log="keys"}}') == value for name, value in expected.items()
        )

    until(shown, vault, "the figures")


def test_the_key_service_hears_of_both_logs(vault: Vault) -> None:
    sizes = {side: until_sealed(vault, side).size for side in SIDES}

    def told() -> bool:
        health = kms_of(vault).call(Health(), HealthIs)
        return {log.log: log.sealed_size for log in health.logs} == sizes and health.sealing == "ok"

    until(told, vault, "the report")


def test_without_its_witness_a_head_does_not_count_and_with_it_again(vault: Vault) -> None:
    """The records side's worker is gone: nobody cosigns the keys log."""
    before = until_sealed(vault, "keys")
    vault.running["worker_records"].kill()
    log = vault.running["worker_keys"].log
    said = log.stat().st_size  # at its start it may have said the same, before there was a witness
    enrol(vault, kms_of(vault))
    with vault.keys.superuser() as conn:
        conn.execute("NOTIFY audit_seal")

    until(lambda: b"audit.cosignatures_missing" in log.read_bytes()[said:], vault, "the refusal")
    found = saved(vault, "keys")
    assert found is not None
    assert found.size == before.size

    start_worker(vault, "records")
    assert until_sealed(vault, "keys").size > before.size


def test_the_api_shows_that_a_dead_worker_seals_nothing(vault: Vault) -> None:
    start_forked_api(vault)
    for side in SIDES:
        until_sealed(vault, side)
        vault.running[f"worker_{side}"].kill()
    enrol(vault, kms_of(vault))
    write_many(vault.records, 4)

    def shown() -> bool:
        figures = scraped(vault.metrics_port)
        return (
            figures.get('vault_audit_unsealed_events{log="records"}') == 4
            and figures.get('vault_audit_unsealed_events{log="keys"}', 0) >= 1
            and figures.get('vault_audit_unsealed_age_seconds{log="records"}', 0) > 0
            and figures.get('vault_part_usable{part="keys_database"}') == 1
        )

    until(shown, vault, "the backlog")
    vault.running["api"].stop()
    for side in ("records", "keys"):
        start_worker(vault, side)


@pytest.mark.parametrize("side", SIDES)
def test_a_killed_worker_goes_on_where_it_was(vault: Vault, side: Side) -> None:
    until_sealed(vault, side)
    for _ in range(3):
        write_many(database_of(vault, side), 50)
        vault.running[f"worker_{side}"].kill()
        start_worker(vault, side)
    until_sealed(vault, side)

    sealed(database_of(vault, side)).assert_sound()


@pytest.mark.parametrize("side", SIDES)
def test_a_worker_ends_when_it_is_told_to(vault: Vault, side: Side) -> None:
    until_sealed(vault, side)
    process = vault.running[f"worker_{side}"]

    process.stop()

    assert process.popen.returncode == 0
    start_worker(vault, side)
    until_sealed(vault, side)


def test_what_officers_did_reaches_the_users_side_by_itself(vault: Vault) -> None:
    """Within a turn of the records side's worker after it was sealed: a second or so."""
    with followed(vault) as log:
        ana = log.person()
        event = ana.officers(KeysEvent.ACCESS_REGAINED)
        ana.raise_epoch()

        until_sealed(vault, "keys")

        until(lambda: str(event) in [each for _, each in ana.trail()], vault, "the officers' action")
        assert rows_of(vault.records, "sessions", ana.user) == []
