"""A change over both databases does not begin while the records side's trail cannot be written (P8, P10).

The key service's part would stand, and the records side could not follow until the trail is back:
older sessions would go on under a changed password, or outlive an erased user.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.accounts.conftest import Ana
from tests.promises.inside import rows_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.change_login import change_login
from vault_service.accounts.change_password import change_password, redeem_one_time_password
from vault_service.accounts.erase import erase
from vault_service.accounts.service import AccountParts
from vault_service.accounts.sign_up import sign_up
from vault_service.domain.errors import OutcomeUnknownError, UnavailableError
from vault_service.domain.ids import new_uuid

NEW = PASSWORD + " and a newer one"
Flow = Callable[[AccountParts, Ana], object]


def new_login() -> str:
    return f"renamed-{new_uuid().hex}@example.org"


@contextmanager
def trail_away(vault: Vault) -> Iterator[None]:
    """Nobody may write events on the records side."""
    with vault.records.superuser() as conn:
        conn.execute("REVOKE INSERT ON audit_events FROM vault_api")
        try:
            yield
        finally:
            conn.execute(
                """GRANT INSERT (user_id, event_id, kind, at, app_id, session_id, unlock_id, record_id, n)
                   ON audit_events TO vault_api"""
            )


FLOWS: dict[str, Flow] = {
    "a change of password": lambda parts, ana: change_password(parts, ana.token, PASSWORD, NEW),
    "a change of login": lambda parts, ana: change_login(parts, ana.token, PASSWORD, new_login()),
    "an erasure": lambda parts, ana: erase(parts, ana.token, PASSWORD),
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_nothing_begins_without_the_trail(vault: Vault, parts: AccountParts, ana: Ana, flow: Flow) -> None:
    wraps = rows_of(vault.keys, "credentials", ana.user)

    with trail_away(vault), pytest.raises(UnavailableError) as refused:
        flow(parts, ana)

    assert not isinstance(refused.value, OutcomeUnknownError), "nothing was changed, and it says so"
    assert rows_of(vault.keys, "credentials", ana.user) == wraps
    assert rows_of(vault.records, "intents", ana.user) == []


def test_a_one_time_password_is_not_used_up_without_the_trail(vault: Vault, parts: AccountParts) -> None:
    made = sign_up(parts, vault.app_key, new_login(), None, None)
    assert made.one_time_password is not None

    with trail_away(vault), pytest.raises(UnavailableError):
        redeem_one_time_password(parts, made.user_id, made.one_time_password, NEW)

    (credential,) = rows_of(vault.keys, "credentials", made.user_id)
    assert (credential.columns["epoch"], credential.columns["must_change"]) == (1, True)


def test_nobody_is_made_without_the_trail(vault: Vault, parts: AccountParts) -> None:
    """A refused request must not have taken the login: its sender has no key to repeat it with."""
    login = new_login()

    with trail_away(vault), pytest.raises(UnavailableError):
        sign_up(parts, vault.app_key, login, PASSWORD, None)

    assert sign_up(parts, vault.app_key, login, PASSWORD, None).user_id
