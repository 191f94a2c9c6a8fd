"""Whether the parts can be used, as an officers' host sees it: what is away is told, and stops no page."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.recovery.office import Office
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.alerts import Alert
from vault_service.kms.protocol.messages import LogSealing
from vault_service.recovery.system_health import SystemHealth, health_alerts, system_health
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.pool import Database

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
FINE = SystemHealth({"token": "ok"}, None, (), (), NOW)


@pytest.fixture
def trail(office: Office) -> Iterator[Database]:
    db = office.vault.keys.open("vault_auditor_keys", size=1)
    yield db
    db.close()


def codes(health: SystemHealth) -> list[tuple[str, str, str]]:
    return [(alert.code, alert.level, alert.about) for alert in health_alerts(health)]


def test_every_part_of_the_key_service_is_asked(office: Office, trail: Database) -> None:
    health = system_health(office.parts, trail, None)

    assert health.key_service is None
    assert health.parts == dict.fromkeys(("token", "database", "audit", "manifest", "sealing"), "ok")
    keys, records = health.logs
    assert keys.state is not None
    assert keys.state.waiting.unsealed > 0  # no worker runs here
    assert (records.state, records.error) == (None, None)
    assert ("log-unseen", "note", "records") in codes(health)
    assert ("log-unsealed", "now", "keys") in codes(health)


def test_a_key_service_that_is_away_is_told(office: Office) -> None:
    with closing(kms_client(KmsClientSettings(url=f"unix:{office.vault.home}/nobody.sock"))) as nobody:
        health = system_health(replace(office.parts, kms=nobody), None, None)

    assert health.parts == {}
    assert codes(health)[0][:2] == ("key-service-away", "now")


def test_a_log_whose_database_is_away_is_no_log_that_was_never_set_up(
    office: Office, trail: Database
) -> None:
    trail.close()

    assert ("log-unseen", "now", "keys") in codes(system_health(office.parts, trail, None))


def test_a_part_that_is_broken_and_a_worker_that_fell_silent_are_told() -> None:
    assert codes(FINE) == []
    assert codes(replace(FINE, parts={"token": "token.unavailable"})) == [
        ("part-broken", "now", "token: token.unavailable")
    ]
    silent = LogSealing("keys", 10, 3, 90.0, 61.0)
    assert list(health_alerts(replace(FINE, sealing=(silent,)))) == [
        Alert("log-unsealed", "now", "keys", n=3)
    ]
    assert codes(replace(FINE, sealing=(LogSealing("keys", 10, 3, 9.0, 59.0),))) == []


def test_a_receiver_that_fell_behind_is_told(office: Office, trail: Database) -> None:
    with office.vault.keys.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_outbox (receiver, next_index, failures, last_error, updated_at)
               VALUES ('siem', 0, 4, 'HTTP 503', now())"""
        )
    try:
        assert ("receiver-behind", "soon", "siem") in codes(system_health(office.parts, trail, None))
        office.sql("UPDATE audit_outbox SET failures = 0")
        assert ("receiver-behind", "soon", "siem") not in codes(system_health(office.parts, trail, None))
    finally:
        office.sql("DELETE FROM audit_outbox")
