"""One user's records for a disclosure, as the role vault_disclosure reads them: no session, no event here.

The evidence is in the keys log, where the case is completed; the records side copies it into the
subject's own trail.
"""

from typing import LiteralString

from psycopg import Connection

from vault_service.domain.ids import RecordId, UserId
from vault_service.storage.records.records import RECORD_COLUMNS, StoredRecord

_PAGE: LiteralString = (
    "SELECT"
    + RECORD_COLUMNS
    + """FROM records r WHERE r.user_id = %(user)s AND r.record_id > %(after)s
         ORDER BY r.record_id LIMIT %(limit)s"""
)


def read_for_disclosure(
    conn: Connection, user: UserId, after: RecordId, limit: int
) -> tuple[StoredRecord, ...]:
    """Up to `limit` records after one, in the order of their ids; unopened."""
    rows = conn.execute(_PAGE, {"user": user, "after": after, "limit": limit})
    return tuple(StoredRecord(*row) for row in rows)
