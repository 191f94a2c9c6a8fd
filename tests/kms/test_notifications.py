"""Who is told of a case: the app always, the officers so often about one login, and never of a decoy."""

import itertools
from datetime import datetime, timedelta
from uuid import UUID

from tests.kms.recoveries import Recoveries, later
from tests.rig.people import enrol
from tests.rig.vault import Vault
from vault_service.kms.client import KmsClient
from vault_service.kms.service import KeyService


def due(vault: Vault, cases: list[UUID]) -> list[tuple[str, datetime]]:
    """What the officers are told, and when."""
    with vault.keys.superuser() as conn:
        rows = conn.execute(
            """SELECT what, not_before FROM notifications WHERE case_id = ANY(%s) AND audience = 'officers'
               ORDER BY not_before""", (cases,)
        ).fetchall()  # fmt: skip
    return [(str(row[0]), row[1]) for row in rows]  # type: ignore[misc]  # a timestamp


def test_of_several_cases_in_a_minute_the_officers_are_told_once(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    recoveries, person = Recoveries(vault, service), enrol(vault, kms)
    cases = [recoveries.of(person).case_id for _ in range(2)]

    assert [what for what, _ in due(vault, cases)] == ["opened"]
    assert [recoveries.told(case).count(("app", "opened")) for case in cases] == [1, 1]
    recoveries.service = later(service, seconds=61)
    cases.append(recoveries.of(person).case_id)
    assert [what for what, _ in due(vault, cases)] == ["opened", "opened"]


def test_how_a_case_ended_is_always_told_but_no_sooner_than_the_policy_allows(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    """Otherwise a flood of new cases would hide what became of one."""
    recoveries, person = Recoveries(vault, service), enrol(vault, kms)
    cases = [recoveries.of(person).case_id for _ in range(3)]
    for case in cases:
        recoveries.veto("cleo", case)

    told = due(vault, cases)
    assert [what for what, _ in told] == ["opened", "vetoed", "vetoed", "vetoed"]
    times = [at for _, at in told]
    assert all(b - a >= timedelta(seconds=60) for a, b in itertools.pairwise(times))
