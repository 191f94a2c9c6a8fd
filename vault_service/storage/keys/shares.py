"""Generations of the escrow PIN, and the officers' sealed shares."""

from datetime import datetime

from psycopg import Connection

from vault_service.domain.ids import OfficerId


def insert_pin_generation(
    conn: Connection, pin_gen: int, token_serial: str, state: str, pin_check: bytes, now: datetime
) -> None:
    """A new generation; a unique index allows one active."""
    conn.execute(
        """INSERT INTO pin_generations (pin_gen, token_serial, state, pin_check, created_at)
           VALUES (%(gen)s, %(serial)s, %(state)s, %(check)s, %(now)s)""",
        {"gen": pin_gen, "serial": token_serial, "state": state, "check": pin_check, "now": now},
    )


def insert_share(
    conn: Connection, purpose: str, generation: int, officer: OfficerId, sealed: bytes, now: datetime
) -> None:
    """One officer's share, sealed to that officer."""
    conn.execute(
        """INSERT INTO shares (purpose, generation, officer_id, sealed, created_at)
           VALUES (%(purpose)s, %(gen)s, %(officer)s, %(sealed)s, %(now)s)""",
        {"purpose": purpose, "gen": generation, "officer": officer, "sealed": sealed, "now": now},
    )


def find_share(conn: Connection, purpose: str, generation: int, officer: OfficerId) -> bytes | None:
    """An officer's sealed share."""
    row = conn.execute(
        """SELECT sealed FROM shares
           WHERE purpose = %(purpose)s AND generation = %(gen)s AND officer_id = %(officer)s""",
        {"purpose": purpose, "gen": generation, "officer": officer},
    ).fetchone()
    return row[0] if row else None
