"""Recovery through the client, against a whole vault."""

from uuid import uuid4

import pytest

from tests.client.test_real_vault import NEW_PASSWORD, client, new_login
from tests.rig.vault import PASSWORD
from vault_service.client import (
    LoginRefusedError,
    NotFoundError,
    RecoveryClosedError,
    SessionRefusedError,
    TooManyRecoveriesError,
    VaultApiError,
    VaultClient,
)
from vault_service.client.errors import Problem, error_of

__all__ = ["client"]  # a fixture
pytestmark = pytest.mark.slow


def test_a_recovery_is_asked_for_looked_at_and_cancelled(client: VaultClient) -> None:
    login, key = new_login() + ".recover", str(uuid4())
    client.sign_up(login, PASSWORD)
    with client.sign_in(login, PASSWORD) as ana:
        begun = client.recover(login, NEW_PASSWORD, idempotency_key=key)

        assert client.recover(login, NEW_PASSWORD, idempotency_key=key) == begun
        assert len(begun.verification_phrase.split()) == 6
        assert client.recovery(begun.case_id).status == "open"
        ana.cancel_recovery(begun.case_id)
        assert client.recovery(begun.case_id).status == "cancelled"
        with pytest.raises(NotFoundError):
            ana.cancel_recovery(uuid4())
    with pytest.raises(NotFoundError):
        client.recovery(uuid4())


def test_a_code_is_made_and_used(client: VaultClient) -> None:
    login = new_login() + ".code"
    client.sign_up(login, PASSWORD)
    ana = client.sign_in(login, PASSWORD)
    code = ana.create_recovery_code(PASSWORD)

    client.redeem_recovery_code(login, code, NEW_PASSWORD)

    with pytest.raises(SessionRefusedError):
        ana.me()
    with client.sign_in(login, NEW_PASSWORD) as again:
        assert again.me().user_id
    with pytest.raises(LoginRefusedError):
        client.redeem_recovery_code(login, code, PASSWORD)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("recovery.too_many", TooManyRecoveriesError),
        ("recovery.case_closed", RecoveryClosedError),
        ("recovery.no_such_case", NotFoundError),
        ("recovery.of_a_newer_server", VaultApiError),
    ],
)
def test_each_refusal_has_its_class(code: str, kind: type[VaultApiError]) -> None:
    assert type(error_of(Problem(code, 400))) is kind
