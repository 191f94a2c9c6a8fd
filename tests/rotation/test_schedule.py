"""The worker begins what is due by itself, where the policy says so; each key once."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from tests.rig.people import enrol, kms_of
from tests.rig.postgres import TestServer
from tests.rig.vault import Vault, vault_of_its_own
from tests.rotation.operator import Operator
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.rotation import OnlineKind
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import (
    PauseRotation,
    RotationIs,
    RotationRow,
    RotationsAre,
    RotationStatus,
)
from vault_service.policy.load import load_policies
from vault_service.policy.rotation_rules import RotationPolicy, ScheduleRule
from vault_service.rotation.figures import RotationFigures
from vault_service.rotation.schedule import Schedule
from vault_service.settings import KmsClient as KmsClientSettings

A_YEAR_AND_A_BIT = timedelta(days=370)
TWO_YEARS_AND_A_BIT = timedelta(days=740)
KINDS: tuple[OnlineKind, ...] = ("pepper", "case", "note")


@pytest.fixture(scope="module")
def turned(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault whose key service lets the worker make these kinds of keys."""

    def switched_on(vault: Vault) -> None:
        file = vault.home / "policies" / "rotation.toml"
        file.write_text(file.read_text().replace("\nenabled = false", "\nenabled = true"))

    with vault_of_its_own(scratch, postgres, switched_on) as vault:
        yield vault


@pytest.fixture(scope="module")
def worker(turned: Vault) -> Iterator[KmsClient]:
    """The key service as the keys side's worker reaches it."""
    with contextlib.closing(kms_client(KmsClientSettings(url=turned.socket("worker_keys")))) as kms:
        yield kms


def policy(vault: Vault, *, enabled: bool = True) -> RotationPolicy:
    rules = load_policies(vault.home / "policies").rotation
    return replace(rules, schedule=ScheduleRule(enabled, KINDS))


def now() -> datetime:
    return datetime.now(UTC)


def later() -> datetime:
    return now() + A_YEAR_AND_A_BIT


def much_later() -> datetime:
    return now() + TWO_YEARS_AND_A_BIT


def generations(operator: Operator) -> dict[OnlineKind, int]:
    return {kind: len(operator.all(kind)) for kind in KINDS}


@dataclass(frozen=True)
class Begun:
    """How many generations there were after each look, one look after the other; what runs in the end."""

    before_it_is_due: dict[OnlineKind, int]
    switched_off: dict[OnlineKind, int]
    after_a_year: dict[OnlineKind, int]
    after_two: dict[OnlineKind, int]
    runs: tuple[RotationRow, ...]


@pytest.fixture(scope="module")
def begun(turned: Vault, worker: KmsClient) -> Begun:
    """The only keys that a schedule may make in this vault: the key service allows one a day of each kind."""
    with Operator.of(turned) as operator, contextlib.closing(kms_of(turned)) as api:
        enrol(turned, api)
        Schedule(worker, policy(turned), now).look()
        before = generations(operator)
        Schedule(worker, policy(turned, enabled=False), later).look()
        off = generations(operator)
        Schedule(worker, policy(turned), later).look()
        year = generations(operator)
        schedule = Schedule(worker, policy(turned), much_later)
        for _ in range(3):
            schedule.look()
        two = generations(operator)
    return Begun(before, off, year, two, worker.call(RotationStatus(), RotationsAre).rotations)


def test_nothing_is_begun_before_it_is_due_or_where_it_is_switched_off(begun: Begun) -> None:
    assert begun.before_it_is_due == {"pepper": 1, "case": 1, "note": 1}
    assert begun.switched_off == {"pepper": 1, "case": 1, "note": 1}


def test_what_is_due_is_begun_once(begun: Begun) -> None:
    """The pepper is due after a year, the others after two; by this clock each new key is due at once."""
    assert begun.after_a_year == {"pepper": 2, "case": 1, "note": 1}
    assert begun.after_two == {"pepper": 2, "case": 2, "note": 2}
    (running,) = begun.runs
    assert (running.kind, running.to_gen, running.state) == ("pepper", 2, "running")


@pytest.mark.usefixtures("begun")
def test_what_an_operator_paused_stays_paused(turned: Vault, worker: KmsClient, operator: Operator) -> None:
    operator.kms.call(PauseRotation("pepper"), RotationIs)

    Schedule(worker, policy(turned), later).look()

    assert generations(operator)["pepper"] == 2
    (paused,) = worker.call(RotationStatus(), RotationsAre).rotations
    assert paused.state == "paused"


@pytest.mark.usefixtures("begun")
def test_a_rotation_that_was_never_begun_for_a_new_key_is_begun(
    turned: Vault, worker: KmsClient, operator: Operator
) -> None:
    """Whoever made the key current died before."""
    with turned.keys.superuser() as conn:
        conn.execute("DELETE FROM rotation_samples")
        conn.execute("DELETE FROM rotations")

    Schedule(worker, policy(turned), now).look()

    assert generations(operator)["pepper"] == 2
    (running,) = worker.call(RotationStatus(), RotationsAre).rotations
    assert (running.kind, running.to_gen) == ("pepper", 2)


def test_the_figures_tell_what_is_due(turned: Vault, worker: KmsClient) -> None:
    registry = CollectorRegistry()
    Schedule(worker, policy(turned, enabled=False), later, RotationFigures(registry).show_due).look()

    pepper = registry.get_sample_value("vault_key_due_days", {"kind": "pepper"})
    manifest = registry.get_sample_value("vault_key_due_days", {"kind": "manifest"})
    assert pepper is not None
    assert manifest is not None
    assert pepper == pytest.approx(-5, abs=0.5)
    assert manifest == pytest.approx(1095 - 370, abs=0.5)
