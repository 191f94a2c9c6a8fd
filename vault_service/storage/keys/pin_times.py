"""Since when the escrow PIN is what it is."""

from datetime import datetime

from psycopg import Connection

from vault_service.storage.keys.shares import PinState


def pin_states(conn: Connection) -> tuple[tuple[int, PinState, datetime], ...]:
    """Generation, state and when it was made, of those that may open the token; newest first."""
    rows = conn.execute(
        """SELECT pin_gen, state, created_at FROM pin_generations
           WHERE state IN ('prepared', 'switching', 'active') ORDER BY pin_gen DESC"""
    )
    return tuple((row[0], row[1], row[2]) for row in rows)
