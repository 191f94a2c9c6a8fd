"""An officer's own sealed shares of every generation that there is."""

from psycopg import Connection

from vault_service.domain.ids import OfficerId


def list_own_shares(conn: Connection, purpose: str, officer: OfficerId) -> dict[int, bytes]:
    """Generation -> sealed share; any of them may be rubbish that somebody put there."""
    rows = conn.execute(
        """SELECT generation, sealed FROM shares
           WHERE purpose = %(purpose)s AND officer_id = %(officer)s ORDER BY generation""",
        {"purpose": purpose, "officer": officer},
    )
    return {row[0]: row[1] for row in rows}
