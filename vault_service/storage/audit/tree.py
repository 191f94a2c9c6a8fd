"""The tree that a database holds, compared with a head: the same statements on both sides."""

from psycopg import Connection

from vault_service.storage.audit.tiles import tile_reader
from vault_service.tlog import tiles
from vault_service.tlog.errors import ProofError


def tree_size(conn: Connection) -> int:
    """Leaves that are in the tree; 0 when somebody deleted the row that says so."""
    row = conn.execute("SELECT size FROM audit_tree").fetchone()
    return int(row[0]) if row is not None else 0


def root_at(conn: Connection, size: int) -> bytes:
    """The root over the first `size` leaves, 32 bytes. Raises ProofError when tiles are missing."""
    return tiles.root(tile_reader(conn), size)


def holds(conn: Connection, size: int, root: bytes) -> bool:
    """Is the head of this size and root a prefix of the stored tree? It is not, of an older database."""
    if tree_size(conn) < size:
        return False
    try:
        return root_at(conn, size) == root
    except ProofError:
        return False
