"""The repair of old intents goes on behind one that it cannot settle."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from structlog.testing import capture_logs

from tests.accounts.conftest import Ana
from tests.accounts.state import intents, later
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.across import begin_intent
from vault_service.accounts.repair import SETTLED_AFTER, repair_intents
from vault_service.accounts.service import AccountParts
from vault_service.accounts.sign_up import sign_up
from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.kms.protocol.messages import ChangePassword, EpochIs


@contextmanager
def unsettled(vault: Vault, ana: Ana) -> Iterator[None]:
    """Whatever settles this person's intents takes too long, as with very many rows."""
    with vault.records.superuser() as conn:
        conn.execute(
            """CREATE FUNCTION unsettled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION 'as if its time were over' USING ERRCODE = 'query_canceled'; END $$"""
        )
        trigger = psycopg.sql.SQL(
            """CREATE TRIGGER unsettled BEFORE DELETE ON intents FOR EACH ROW
               WHEN (OLD.user_id = {}) EXECUTE FUNCTION unsettled()"""
        )
        conn.execute(trigger.format(psycopg.sql.Literal(ana.user)))
        try:
            yield
        finally:
            conn.execute("DROP FUNCTION unsettled CASCADE")


def test_an_intent_that_cannot_be_settled_holds_up_no_other_and_is_reported(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    bob = replace(ana, user=sign_up(parts, vault.app_key, f"bob-{ana.login}", PASSWORD, None).user_id)
    for person in (ana, bob):
        begin_intent(parts, person.user, "password", 1)
        parts.kms.call(ChangePassword(person.user, PASSWORD, f"{PASSWORD} and a newer one"), EpochIs)
    turn = later(parts, SETTLED_AFTER + timedelta(seconds=5))

    with unsettled(vault, ana), capture_logs() as logs, pytest.raises(DatabaseUnavailableError):
        repair_intents(turn)

    assert (intents(vault, ana), intents(vault, bob)) == (1, 0)
    assert {"event": "repair.failed", "user_id": str(ana.user), "code": "service.database_unavailable",
            "log_level": "warning"} in logs  # fmt: skip
    assert repair_intents(turn) == 1
