"""Manifests that officers are asked to endorse; each belongs to one case, which names its hash."""

from psycopg import Connection

from vault_service.domain.ids import CaseId


def find_proposed_manifest(conn: Connection, case: CaseId) -> bytes | None:
    """The canonical bytes of what is proposed."""
    row = conn.execute(
        "SELECT body FROM proposed_manifests WHERE case_id = %(case)s", {"case": case}
    ).fetchone()
    return row[0] if row else None
