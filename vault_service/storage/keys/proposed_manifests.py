"""What officers propose as the next manifest: the bytes whose SHA-256 stands in the case."""

from psycopg import Connection

from vault_service.domain.ids import CaseId


def insert_proposed(conn: Connection, case: CaseId, body: bytes) -> None:
    """The manifest of a case that is being opened."""
    conn.execute(
        "INSERT INTO proposed_manifests (case_id, body) VALUES (%(case)s, %(body)s)",
        {"case": case, "body": body},
    )


def find_proposed(conn: Connection, case: CaseId) -> bytes | None:
    """Nothing to believe before its hash was compared with the case's."""
    row = conn.execute(
        "SELECT body FROM proposed_manifests WHERE case_id = %(case)s", {"case": case}
    ).fetchone()
    return bytes(row[0]) if row else None
