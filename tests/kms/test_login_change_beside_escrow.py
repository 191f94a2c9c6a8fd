"""A change of login while a ceremony seals the user's escrow wrap to another escrow key."""

from typing import Any

import pytest

from tests.promises.inside import rows_of
from tests.rig.people import enrol
from tests.rig.vault import Vault
from vault_service.domain.errors import ConcurrentChangeError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin
from vault_service.kms.service import KeyService
from vault_service.kms.users.login_change import change_login
from vault_service.storage.keys import logins


def test_no_escrow_wrap_stays_bound_to_a_login_that_is_given_up(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would open for nobody, and show only when the person needs it."""
    person = enrol(vault, kms)
    real = logins.replace_login

    def sealed_anew_meanwhile(*args: Any, **kwargs: Any) -> bool | None:
        with vault.keys.superuser() as conn, conn.transaction():
            conn.execute("INSERT INTO escrow_generations VALUES (7) ON CONFLICT DO NOTHING")
            values = {"user": person.user}
            conn.execute("UPDATE escrow_wraps SET escrow_gen = 7 WHERE user_id = %(user)s", values)
            conn.execute("UPDATE deks SET escrow_gen = 7 WHERE user_id = %(user)s", values)
        return real(*args, **kwargs)

    monkeypatch.setattr("vault_service.kms.users.login_change.replace_login", sealed_anew_meanwhile)
    with pytest.raises(ConcurrentChangeError):
        change_login(service, ChangeLogin(person.user, person.password, f"moved-{person.login}"))

    assert person.opens_with(person.password), "under the login as it was"
    with vault.keys.superuser() as conn, conn.transaction():
        values = {"user": person.user}
        conn.execute("UPDATE escrow_wraps SET escrow_gen = 1 WHERE user_id = %(user)s", values)
        conn.execute("UPDATE deks SET escrow_gen = 1 WHERE user_id = %(user)s", values)
        conn.execute("DELETE FROM escrow_generations WHERE gen = 7")
    assert len(rows_of(vault.keys, "logins", person.user)) == 1
