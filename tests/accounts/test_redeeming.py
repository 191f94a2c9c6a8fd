"""Redeeming a one-time password takes no app key: what a flood of strangers costs; and twice at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import msgspec
import pytest

from tests.accounts.conftest import Ana
from tests.accounts.state import kinds
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.change_password import redeem_one_time_password
from vault_service.accounts.service import AccountParts
from vault_service.accounts.sign_up import sign_up
from vault_service.domain.errors import LoginRefusedError, ThrottledError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import UserId, new_uuid
from vault_service.domain.tokens import new_one_time_password
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Answer, Request

_A = TypeVar("_A", bound=Answer)


def test_a_flood_of_strangers_ends_before_it_costs_a_call_or_a_row(vault: Vault, parts: AccountParts) -> None:
    """Each call is one of this host's, of the budget that everybody's sign-ins share."""
    limits = parts.policies.limits
    few = msgspec.structs.replace(limits.budgets, keyless_burst=2, keyless_calls_per_s=1e-6)
    policies = msgspec.structs.replace(parts.policies, limits=msgspec.structs.replace(limits, budgets=few))
    strict, nobody = replace(parts, policies=policies), UserId(new_uuid())
    calls: list[str] = []
    parts.kms.observe = lambda call, *_: calls.append(call)

    def redeem() -> None:
        redeem_one_time_password(strict, nobody, new_one_time_password(), PASSWORD)

    for _ in range(2):
        with pytest.raises(LoginRefusedError):
            redeem()
    for _ in range(5):
        with pytest.raises(ThrottledError) as refused:
            redeem()

    assert calls == ["epoch", "change_password"] * 2
    assert refused.value.retry_after_s == 1
    with vault.records.superuser() as conn:
        left = conn.execute("SELECT count(*) FROM intents WHERE user_id = %s", (nobody,)).fetchone()
    assert left == (0,)


class _Overtaken(KmsClient):
    """The real client; right after it was told the epoch something happens, once."""

    def __init__(self, url: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(url)
        self._meanwhile: list[Callable[[], object]] = [meanwhile]

    def call(self, request: Request, answer: type[_A]) -> _A:
        found = super().call(request, answer)
        if request.name == "epoch" and self._meanwhile:
            self._meanwhile.pop()()
        return found


def test_one_that_was_sent_twice_at_once_looks_like_no_tampering(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """The other one has raised the epoch on both sides since; the person would read of a refused session."""
    made = sign_up(parts, vault.app_key, f"twice-{ana.login}", None, new_uuid().hex)
    one_time = made.one_time_password
    assert one_time is not None
    other = _Overtaken(
        vault.socket("api"), lambda: redeem_one_time_password(parts, made.user_id, one_time, PASSWORD)
    )

    with pytest.raises(LoginRefusedError):
        redeem_one_time_password(replace(parts, kms=other), made.user_id, one_time, PASSWORD)

    other.close()
    left = kinds(vault, replace(ana, user=made.user_id))
    assert RecordsEvent.PASSWORD_CHANGED in left
    assert RecordsEvent.SESSION_REFUSED not in left
