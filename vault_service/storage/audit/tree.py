"""The tree that a database holds, compared with a head: the same statements on both sides."""

from collections.abc import Mapping, Sequence

from psycopg import Connection

from vault_service.tlog import tiles
from vault_service.tlog.errors import ProofError
from vault_service.tlog.tiles import TileId, TileReader


def tree_size(conn: Connection) -> int:
    """Leaves that are in the tree; 0 when somebody deleted the row that says so."""
    row = conn.execute("SELECT size FROM audit_tree").fetchone()
    return int(row[0]) if row is not None else 0


def tile_reader(conn: Connection) -> TileReader:
    """Reads stored tiles, all that are asked for in one statement; missing ones are left out."""

    def read(wanted: Sequence[TileId]) -> Mapping[TileId, bytes]:
        rows = conn.execute(
            """SELECT level, tile_index, hashes
                 FROM unnest(%(levels)s::smallint[], %(indexes)s::bigint[]) AS wanted (level, tile_index)
                 JOIN audit_tiles USING (level, tile_index)""",
            {"levels": [tile.level for tile in wanted], "indexes": [tile.index for tile in wanted]},
        )
        return {TileId(level, index): bytes(hashes) for level, index, hashes in rows}

    return read


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
