"""What an officers' host tells of keys by the verified manifests alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.rig.vault import Vault, settings_of
from tests.rotation.operator import Operator
from vault_service.domain.rotation import KEY_KINDS
from vault_service.policy.load import load_policies
from vault_service.policy.rotation_rules import Cryptoperiods
from vault_service.rotation.by_manifest import KeyOfManifest, key_alerts, keys_due, keys_of
from vault_service.storage.keys.believed_chain import read_chain
from vault_service.storage.pool import Database


@pytest.fixture(scope="module")
def db(turned: Vault) -> Iterator[Database]:
    db = turned.keys.open("vault_recovery", size=1)
    yield db
    db.close()


@pytest.fixture(scope="module")
def periods(turned: Vault) -> Cryptoperiods:
    return load_policies(settings_of(turned).policies_dir).rotation.cryptoperiod_days


def keys(turned: Vault, db: Database) -> tuple[KeyOfManifest, ...]:
    state = turned.home / "state" / "recovery"
    return keys_of(read_chain(db, fingerprint=turned.fingerprint, state_dir=state).history())


def test_it_is_what_the_key_service_tells(turned: Vault, db: Database, operator: Operator) -> None:
    """Without asking it: an officers' host may not."""
    operator.next("pepper")

    found = {(each.kind, each.gen): (each.state, each.since) for each in keys(turned, db)}

    told = {
        (row.kind, row.gen): (row.state, datetime.fromisoformat(row.since))
        for kind in KEY_KINDS
        for row in operator.all(kind)
    }
    assert found == told
    assert found["pepper", 2][0] == "current"
    assert found["pepper", 1][0] == "retiring"


def test_a_key_is_due_by_the_time_it_became_current(
    turned: Vault, db: Database, periods: Cryptoperiods, operator: Operator
) -> None:
    gen = operator.next("case").gen
    found = keys(turned, db)
    since = next(each.since for each in found if (each.kind, each.gen) == ("case", gen))
    due = keys_due(found, None, periods)

    assert [each.at for each in due if each.kind == "case"] == [since + timedelta(days=periods.case)]
    end = since + timedelta(days=periods.case)
    assert "case" not in {alert.about for alert in key_alerts(due, end - timedelta(days=31), 30)}
    soon = [alert for alert in key_alerts(due, end - timedelta(days=29), 30) if alert.about == "case"]
    late = [alert for alert in key_alerts(due, end, 30) if alert.about == "case"]
    assert [(each.code, each.level) for each in soon] == [("key-soon", "note")]
    assert [(each.code, each.level, each.at) for each in late] == [("key-overdue", "soon", end)]


def test_a_share_set_that_nobody_knows_the_age_of_is_never_called_due(periods: Cryptoperiods) -> None:
    (shares,) = keys_due((), None, periods)

    assert shares.at is None
    assert list(key_alerts((shares,), datetime.now(UTC) + timedelta(days=9999), 30)) == []
