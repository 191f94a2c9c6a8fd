"""What a test asks of somebody's account: does a session live, what rows and events are there."""

from dataclasses import replace
from datetime import timedelta

from tests.accounts.conftest import Ana
from tests.rig.vault import Vault
from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import SessionRefusedError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.tokens import SessionToken
from vault_service.sessions.open import open_session


def later(parts: AccountParts, by: timedelta) -> AccountParts:
    """The same parts where the clock shows a later time."""
    return replace(parts, now=lambda: parts.now() + by)


def lives(parts: AccountParts, token: SessionToken) -> bool:
    try:
        open_session(parts.db, token, parts.now())
    except SessionRefusedError:
        return False
    return True


def intents(vault: Vault, ana: Ana) -> int:
    with vault.records.superuser() as conn:
        row = conn.execute("SELECT count(*) FROM intents WHERE user_id = %s", (ana.user,)).fetchone()
    assert row is not None
    return int(str(row[0]))


def rows(vault: Vault, ana: Ana) -> int:
    with vault.records.superuser() as conn:
        row = conn.execute(
            """SELECT (SELECT count(*) FROM users WHERE user_id = %(u)s)
                    + (SELECT count(*) FROM sessions WHERE user_id = %(u)s)""",
            {"u": ana.user},
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def kinds(vault: Vault, ana: Ana) -> list[RecordsEvent]:
    with vault.records.superuser() as conn:
        found = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %s ORDER BY event_id", (ana.user,)
        ).fetchall()
    return [RecordsEvent(int(str(kind))) for (kind,) in found]
