"""Tiles that are kept in memory, and that count how they are read."""

from collections.abc import Mapping, Sequence

from vault_service.tlog.tiles import TileId, appended


class Stored:
    """A log's tiles; each call of `read` is one in `calls`, each tile asked for one in `asked`."""

    def __init__(self, leaf_hashes: Sequence[bytes] = ()) -> None:
        self.tiles: dict[TileId, bytes] = {}
        self.size = 0
        self.calls = 0
        self.asked = 0
        self.append(leaf_hashes)

    def read(self, tiles: Sequence[TileId]) -> Mapping[TileId, bytes]:
        """The tiles as they are: often wider than the size that is asked for needs."""
        self.calls += 1
        self.asked += len(tiles)
        return {tile: self.tiles[tile] for tile in tiles if tile in self.tiles}

    def append(self, leaf_hashes: Sequence[bytes]) -> set[TileId]:
        """Add leaves; which tiles changed."""
        self.size, changed = appended(self.read, self.size, leaf_hashes)
        self.tiles.update(changed)
        return set(changed)
