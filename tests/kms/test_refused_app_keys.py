"""Strangers with app keys that open nothing: what they cost the log, and what nobody else pays for them."""

import time
from dataclasses import replace

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.rig.people import enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import AppKeyRefusedError, AppKeysThrottledError
from vault_service.domain.ids import AppId, new_uuid
from vault_service.domain.tokens import AppKey, new_secret
from vault_service.kms.client import KmsClient
from vault_service.kms.dispatch import Caller, answer
from vault_service.kms.limits.budgets import Budgets
from vault_service.kms.protocol.messages import Answer, Refusal, Unlock, Unlocked
from vault_service.kms.service import KeyService
from vault_service.policy.rules import BudgetRule

PLENTY = 0.001, 1000
API = Caller("api", "api-1.internal")


def bounded(service: KeyService, *, host_burst: int, refused: int) -> KeyService:
    """Budgets that no wait refills."""
    rule = BudgetRule(*PLENTY, 0.001, host_burst, *PLENTY, 0.001, refused)
    return replace(service, budgets=Budgets(rule))


def unlock(service: KeyService, app_key: str, login: str = "nobody@example.org") -> Answer:
    return answer(service, API, "unlock", msgspec.json.encode(Unlock(app_key, login, PASSWORD)))


def codes(answers: list[Answer]) -> list[str]:
    return [each.code for each in answers if isinstance(each, Refusal)]


def never_issued(app: AppId) -> str:
    return AppKey(app, new_uuid(), new_secret()).reveal()


def events_of(vault: Vault, app: AppId) -> int:
    with vault.keys.superuser() as conn:
        rows = conn.execute("SELECT 1 FROM audit_events WHERE app_id = %s", (app,)).fetchall()
    return len(rows)


def test_a_flood_of_app_keys_that_open_nothing_leaves_only_so_many_events(
    vault: Vault, shared_service: KeyService
) -> None:
    """The log is kept for ever; the refusals beyond are counted by their code (vault_kms_calls_total)."""
    service, app = bounded(shared_service, host_burst=1000, refused=3), AppId(new_uuid())

    answers = [unlock(service, never_issued(app)) for _ in range(5)]

    assert codes(answers) == [AppKeyRefusedError.code] * 3 + [AppKeysThrottledError.code] * 2
    assert [each.retry_after_s for each in answers if isinstance(each, Refusal)][3:] == [1, 1]
    assert events_of(vault, app) == 3


def test_a_right_app_key_is_answered_in_the_midst_of_a_flood_of_wrong_ones(
    vault: Vault, kms: KmsClient, shared_service: KeyService
) -> None:
    """Neither the bucket of refusals nor the host's is used up for it by strangers."""
    person = enrol(vault, kms)
    service = bounded(shared_service, host_burst=2, refused=1)

    answers = [unlock(service, never_issued(AppId(new_uuid()))) for _ in range(6)]

    assert codes(answers) == [AppKeyRefusedError.code] + [AppKeysThrottledError.code] * 5
    assert isinstance(unlock(service, vault.app_key, person.login), Unlocked)


def test_what_a_host_is_given_back_is_never_more_than_it_spent(
    vault: Vault, shared_service: KeyService
) -> None:
    """Refused keys do not save up calls for a captured host."""
    service = bounded(shared_service, host_burst=3, refused=1)
    answer(service, API, "health", b"{}")
    for _ in range(4):
        unlock(service, never_issued(AppId(new_uuid())))

    answers = [answer(service, API, "health", b"{}") for _ in range(3)]

    assert [isinstance(each, Refusal) for each in answers] == [False, False, True]


def test_one_line_a_minute_says_how_many_were_not_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    budgets = Budgets(BudgetRule(*PLENTY, *PLENTY, *PLENTY, 0.001, 1))
    budgets.spend_refused_key()

    with capture_logs() as lines:
        for waited in (0.0, 1.0, 30.0, 28.0, 1.0):
            clock[0] += waited
            with pytest.raises(AppKeysThrottledError):
                budgets.spend_refused_key()

    assert [line["n"] for line in lines] == [1, 4]
