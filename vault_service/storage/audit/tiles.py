"""The tree's tiles in the database, as tlog.tiles reads and writes them."""

from collections.abc import Mapping, Sequence

from psycopg import Connection

from vault_service.tlog.tiles import TileId, TileReader


def tile_reader(conn: Connection) -> TileReader:
    """Reads through this connection, one statement a call. A tile may be wider than a past size needs."""

    def read(tiles: Sequence[TileId]) -> Mapping[TileId, bytes]:
        rows = conn.execute(
            # Tile by tile (LATERAL … LIMIT): a join would be planned as a scan of all tiles.
            """SELECT w.level, w.tile_index, t.hashes
               FROM unnest(%(levels)s::smallint[], %(indexes)s::bigint[]) AS w (level, tile_index)
               CROSS JOIN LATERAL (SELECT hashes FROM audit_tiles
                 WHERE level = w.level AND tile_index = w.tile_index LIMIT 1) t""",
            _places(tiles),
            prepare=True,
        ).fetchall()
        return {TileId(level, index): hashes for level, index, hashes in rows}

    return read


def write_tiles(conn: Connection, tiles: Mapping[TileId, bytes]) -> None:
    """New tiles, and grown ones in the place of what they were: a trigger refuses any other change."""
    conn.execute(
        """INSERT INTO audit_tiles (level, tile_index, hashes)
           SELECT * FROM unnest(%(levels)s::smallint[], %(indexes)s::bigint[], %(hashes)s::bytea[])
           ON CONFLICT (level, tile_index) DO UPDATE SET hashes = EXCLUDED.hashes""",
        {**_places(tuple(tiles)), "hashes": list(tiles.values())},
    )


def _places(tiles: Sequence[TileId]) -> dict[str, list[int]]:
    return {"levels": [tile.level for tile in tiles], "indexes": [tile.index for tile in tiles]}
