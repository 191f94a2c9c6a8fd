"""RFC 6962 trees in O(log n) memory, and C2SP tlog-tiles."""

import hashlib
from collections.abc import Callable, Iterator, Sequence

WIDTH = 256  # hashes in a full tile
HASH = 32  # bytes
Reader = Callable[[str], bytes | None]
"""A tile by its path, None if there is no such file."""


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962, section 2.1."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962, section 2.1."""
    return hashlib.sha256(b"\1" + left + right).digest()


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """As tlog-tiles writes it: tile/0/x001/234, with .p/17 when it is partial."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return f"tile/{level}/{'/'.join(reversed(groups))}" + (f".p/{width}" if width < WIDTH else "")


def tile_paths(size: int) -> Iterator[str]:
    """Every tile of a tree of this size."""
    level = 0
    while size:
        for index in range(size // WIDTH):
            yield tile_path(level, index)
        if size % WIDTH:
            yield tile_path(level, size // WIDTH, size % WIDTH)
        level, size = level + 1, size // WIDTH


class Tree:
    """A tree that only grows: the roots of its complete subtrees, largest first.

    On the way it remakes every tile above level 0 and remembers those that differ from the file.
    """

    def __init__(self, tiles: Reader) -> None:
        self.size = 0
        self.altered: list[str] = []
        self._tiles = tiles
        self._roots: list[bytes] = []
        self._pending: list[bytearray] = []  # the unfinished tile of each level from 1 on

    def copy(self) -> "Tree":
        """Another tree that goes on from here."""
        other = Tree(self._tiles)
        other.size, other.altered, other._roots = self.size, self.altered[:], self._roots[:]
        other._pending = [bytearray(tile) for tile in self._pending]
        return other

    def extend(self, hashes: Sequence[bytes]) -> None:
        """Append leaves by their hashes."""
        roots, size, sha256 = self._roots, self.size, hashlib.sha256
        for hash_ in hashes:
            odd, height = size, 0
            while odd & 1:
                hash_ = sha256(b"\1" + roots.pop() + hash_).digest()
                odd >>= 1
                height += 1
                if not height & 7:
                    self._tile_entry(height >> 3, size >> height, hash_)
            roots.append(hash_)
            size += 1
        self.size = size

    def _tile_entry(self, level: int, position: int, hash_: bytes) -> None:
        if len(self._pending) < level:
            self._pending.append(bytearray())
        pending = self._pending[level - 1]
        pending += hash_
        if len(pending) == WIDTH * HASH:
            self._compare(tile_path(level, position // WIDTH), bytes(pending))
            pending.clear()

    def _compare(self, path: str, remade: bytes) -> None:
        if (tile := self._tiles(path)) is not None and tile != remade:
            self.altered.append(path)

    def finish(self) -> None:
        """Compare the partial tiles, too."""
        for level, pending in enumerate(self._pending, 1):
            if pending:
                entries = self.size >> 8 * level
                self._compare(tile_path(level, entries // WIDTH, entries % WIDTH), bytes(pending))

    def root(self) -> bytes:
        """The root at this size; of no leaves the hash of nothing."""
        if not self._roots:
            return hashlib.sha256().digest()
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, section 2.1.3.2: whether the leaf with this hash stands at this index."""
    if not 0 <= index < size:
        return False
    at, last, hash_ = index, size - 1, leaf
    for other in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            hash_ = node_hash(other, hash_)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, other)
        at, last = at >> 1, last >> 1
    return last == 0 and hash_ == root
