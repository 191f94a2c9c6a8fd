"""Redeeming a one-time password takes no app key: what a flood of strangers costs, and whom."""

from dataclasses import replace

import msgspec
import pytest

from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.change_password import redeem_one_time_password
from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import LoginRefusedError, ThrottledError
from vault_service.domain.ids import UserId, new_uuid
from vault_service.domain.tokens import new_one_time_password


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
