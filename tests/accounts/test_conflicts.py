"""The records side meets other transactions after the key service has done its part (P9)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from tests.accounts.conftest import Ana
from tests.accounts.state import intents, kinds, later, lives, rows
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.change_password import change_password
from vault_service.accounts.erase import erase
from vault_service.accounts.repair import SETTLED_AFTER, repair_intents
from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import OutcomeUnknownError
from vault_service.domain.events import RecordsEvent

NEW = PASSWORD + " and a newer one"


@contextmanager
def conflicts(vault: Vault, table: str, times: int) -> Iterator[None]:
    """So often the records side ends a transaction that deletes from the table, as if it met another one."""
    with vault.records.superuser() as conn:
        for statement in (
            "CREATE SEQUENCE met",  # which no rollback sets back
            f"""CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                  IF nextval('met') <= {times} THEN RAISE deadlock_detected; END IF;
                  RETURN NULL; END $$""",
            f"""CREATE TRIGGER meet AFTER DELETE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION meet()""",
        ):
            conn.execute(statement.encode())
        try:
            yield
        finally:
            conn.execute("DROP FUNCTION meet CASCADE")
            conn.execute("DROP SEQUENCE met")


def test_a_change_of_password_that_meets_another_transaction_is_finished(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    with conflicts(vault, "sessions", 2):
        change_password(parts, ana.token, PASSWORD, NEW)

    assert not lives(parts, ana.token)
    assert kinds(vault, ana).count(RecordsEvent.PASSWORD_CHANGED) == 1


@pytest.mark.parametrize("table", ["sessions", "records", "users"])
def test_an_erasure_that_meets_another_transaction_is_finished(
    vault: Vault, parts: AccountParts, ana: Ana, table: str
) -> None:
    with conflicts(vault, table, 2):
        erase(parts, ana.token, PASSWORD)

    assert rows(vault, ana) == 0
    assert kinds(vault, ana).count(RecordsEvent.USER_ERASED) == 1


@pytest.mark.parametrize(
    "flow",
    [
        lambda parts, ana: change_password(parts, ana.token, PASSWORD, NEW),
        lambda parts, ana: erase(parts, ana.token, PASSWORD),
    ],
    ids=["a change of password", "an erasure"],
)
def test_what_meets_others_again_and_again_has_an_unknown_outcome_and_is_finished_later(
    vault: Vault, parts: AccountParts, ana: Ana, flow: Callable[[AccountParts, Ana], None]
) -> None:
    """The keys side has committed: "decide again" would be wrong, the old password opens nothing."""
    with conflicts(vault, "sessions", 100), pytest.raises(OutcomeUnknownError):
        flow(parts, ana)
    assert intents(vault, ana) == 1

    repair_intents(later(parts, SETTLED_AFTER + timedelta(seconds=5)))

    assert not lives(parts, ana.token)
    assert intents(vault, ana) == 0
