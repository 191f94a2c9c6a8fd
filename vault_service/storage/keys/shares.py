"""Generations of the escrow PIN, and the officers' sealed shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import OfficerId

PinState = Literal["prepared", "switching", "active", "retired", "void"]


@dataclass(frozen=True, slots=True)
class PinRow:
    """One generation as the database tells it; ceremony/pin_state.py judges what to believe."""

    pin_gen: int
    token_serial: str
    state: PinState
    pin_check: bytes  # 32 bytes


def insert_pin_generation(
    conn: Connection, pin_gen: int, token_serial: str, state: PinState, pin_check: bytes, now: datetime
) -> None:
    """A new generation; a unique index allows one active."""
    conn.execute(
        """INSERT INTO pin_generations (pin_gen, token_serial, state, pin_check, created_at)
           VALUES (%(gen)s, %(serial)s, %(state)s, %(check)s, %(now)s)""",
        {"gen": pin_gen, "serial": token_serial, "state": state, "check": pin_check, "now": now},
    )


def list_pin_generations(conn: Connection) -> tuple[PinRow, ...]:
    """All of them, oldest first."""
    rows = conn.execute(
        "SELECT pin_gen, token_serial, state, pin_check FROM pin_generations ORDER BY pin_gen"
    )
    return tuple(PinRow(*row) for row in rows)


def set_pin_state(conn: Connection, pin_gen: int, state: PinState, *, was: PinState) -> bool:
    """Compare and set: False when it was in another state."""
    done = conn.execute(
        "UPDATE pin_generations SET state = %(state)s WHERE pin_gen = %(gen)s AND state = %(was)s",
        {"gen": pin_gen, "state": state, "was": was},
    )
    return done.rowcount == 1


def insert_share(
    conn: Connection, purpose: str, generation: int, officer: OfficerId, sealed: bytes, now: datetime
) -> None:
    """One officer's share, sealed to that officer."""
    conn.execute(
        """INSERT INTO shares (purpose, generation, officer_id, sealed, created_at)
           VALUES (%(purpose)s, %(gen)s, %(officer)s, %(sealed)s, %(now)s)""",
        {"purpose": purpose, "gen": generation, "officer": officer, "sealed": sealed, "now": now},
    )


def list_shares(conn: Connection, purpose: str, generation: int) -> dict[UUID, bytes]:
    """A whole set: officer -> sealed share."""
    rows = conn.execute(
        "SELECT officer_id, sealed FROM shares WHERE purpose = %(purpose)s AND generation = %(gen)s",
        {"purpose": purpose, "gen": generation},
    )
    return {row[0]: row[1] for row in rows}


def replace_shares(
    conn: Connection, purpose: str, generation: int, shares: Mapping[UUID, bytes], now: datetime
) -> None:
    """Exactly these, whatever stood there."""
    conn.execute(
        "DELETE FROM shares WHERE purpose = %(purpose)s AND generation = %(gen)s",
        {"purpose": purpose, "gen": generation},
    )
    for officer, sealed in shares.items():
        insert_share(conn, purpose, generation, OfficerId(officer), sealed, now)


def delete_other_shares(conn: Connection, purpose: str, generation: int) -> None:
    """All of the purpose but one generation's."""
    conn.execute(
        "DELETE FROM shares WHERE purpose = %(purpose)s AND generation <> %(gen)s",
        {"purpose": purpose, "gen": generation},
    )
