"""The tree cut into tiles of 256 hashes, as C2SP tlog-tiles: appends and proofs that read few of them.

Every hash of a proof is the root of a range of leaves; a range is cut into perfect subtrees, each of
which is a run of hashes of one tile. So a call knows all tiles that it needs before it reads the first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from vault_service.tlog.errors import ProofError
from vault_service.tlog.merkle import HASH_BYTES, MAX_SIZE, folded

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_LEVEL = 63  # C2SP tlog-tiles; trees of up to 2**63 - 1 leaves need levels 0 to 7


@dataclass(frozen=True, slots=True, order=True)
class TileId:
    """The tile of the hashes at height 8 * level that begin at hash 256 * index."""

    level: int
    index: int


TileReader = Callable[[Sequence[TileId]], Mapping[TileId, bytes]]
"""Gives the 32-byte hashes of each tile, one after another; more than the size asked for are cut off."""

_Node = tuple[int, int]  # height, and which of the perfect subtrees of that height, from 0


def path(tile: TileId, width: int = WIDTH) -> str:
    """Where C2SP tlog-tiles puts it: "tile/0/x001/234", of a partial one "tile/0/x001/234.p/17"."""
    if not (0 <= tile.level <= MAX_LEVEL and tile.index >= 0 and 1 <= width <= WIDTH):
        raise ProofError("there is no such tile")
    parts = [f"{tile.index % 1000:03}"]
    rest = tile.index // 1000
    while rest:
        parts.insert(0, f"x{rest % 1000:03}")
        rest //= 1000
    suffix = "" if width == WIDTH else f".p/{width}"
    return f"tile/{tile.level}/{'/'.join(parts)}{suffix}"


def widths(size: int) -> dict[TileId, int]:
    """The rightmost tile of each level of a tree of this size, with its width of 1 to 256 hashes."""
    last: dict[TileId, int] = {}
    level, count = 0, _checked(size)
    while count:
        last[TileId(level, (count - 1) // WIDTH)] = (count - 1) % WIDTH + 1
        level, count = level + 1, count // WIDTH
    return last


def all_tiles(size: int) -> Iterable[tuple[TileId, int]]:
    """Every tile of a tree of this size with its width in hashes, level by level."""
    for last, width in widths(size).items():
        for index in range(last.index):
            yield TileId(last.level, index), WIDTH
        yield last, width


def overlaid(reader: TileReader, changed: Mapping[TileId, bytes]) -> TileReader:
    """A reader that knows tiles which are not stored yet: what `appended` gave, before it is written."""

    def read(tiles: Sequence[TileId]) -> Mapping[TileId, bytes]:
        others = [tile for tile in tiles if tile not in changed]
        return {**(reader(others) if others else {}), **{t: changed[t] for t in tiles if t in changed}}

    return read


def appended(reader: TileReader, size: int, leaf_hashes: Sequence[bytes]) -> tuple[int, dict[TileId, bytes]]:
    """The new size, and the tiles that change, whole: old hashes and new ones.

    One read of at most one tile a level; about one hash a leaf. Raises ProofError.
    """
    new_size = _checked(_checked(size) + len(leaf_hashes))
    fresh = b"".join(leaf_hashes)
    if any(len(each) != HASH_BYTES for each in leaf_hashes):
        raise ProofError(f"a leaf hash has {HASH_BYTES} bytes")
    starts: dict[int, int] = {}  # how many hashes each level that grows has so far
    level = 0
    while new_size >> HEIGHT * level > size >> HEIGHT * level:
        starts[level] = size >> HEIGHT * level
        level += 1
    begun = {TileId(level, have // WIDTH): have % WIDTH for level, have in starts.items() if have % WIDTH}
    old = _read(reader, begun)
    changed: dict[TileId, bytes] = {}
    for level, have in starts.items():
        row = old.get(TileId(level, have // WIDTH), b"") + fresh
        full = len(row) // (WIDTH * HASH_BYTES)
        first = have // WIDTH
        for i in range(full + (len(row) % (WIDTH * HASH_BYTES) > 0)):
            changed[TileId(level, first + i)] = row[i * WIDTH * HASH_BYTES : (i + 1) * WIDTH * HASH_BYTES]
        fresh = _reduced(row[: full * WIDTH * HASH_BYTES], HEIGHT)
    return new_size, changed


def root(reader: TileReader, size: int) -> bytes:
    """MTH of the first `size` leaves, 32 bytes; one read. Raises ProofError."""
    return _roots(reader, [(0, _checked(size))])[0]


def inclusion_proof(reader: TileReader, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 2.1.1: hashes of 32 bytes, from the leaf up. Raises ProofError."""
    return inclusion_proofs(reader, [index], size)[0]


def inclusion_proofs(reader: TileReader, indexes: Sequence[int], size: int) -> list[list[bytes]]:
    """A proof for each index, in their order, with one read in all. Raises ProofError."""
    paths = [_inclusion_ranges(index, _checked(size)) for index in indexes]
    hashes = iter(_roots(reader, [each for ranges in paths for each in ranges]))
    return [[next(hashes) for _ in ranges] for ranges in paths]


def consistency_proof(reader: TileReader, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 2.1.2; empty from size 0 and for equal sizes. Raises ProofError."""
    return _roots(reader, _consistency_ranges(_checked(old), _checked(new)))


def _inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    ranges: list[tuple[int, int]] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _left_size(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]


def _consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    if old > new:
        raise ProofError(f"a tree of {new} leaves is no append to one of {old}")
    if old in (0, new):
        return []
    ranges: list[tuple[int, int]] = []
    begin, end = 0, new
    while old != end:
        middle = begin + _left_size(end - begin)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin:  # SUBPROOF with b = false: the old tree's last subtree is sent unless it is the old tree
        ranges.append((begin, end))
    return ranges[::-1]


def _left_size(leaves: int) -> int:
    """k of RFC 6962 2.1: the largest power of two smaller than the number of leaves (2 or more)."""
    return 1 << (leaves - 1).bit_length() - 1


def _nodes(begin: int, end: int) -> list[_Node]:
    """The perfect subtrees of a range, the largest first; `begin` is aligned to the largest."""
    nodes: list[_Node] = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        nodes.append((height, begin >> height))
        begin += 1 << height
    return nodes


def _roots(reader: TileReader, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """MTH of each range; a node that several ranges share is computed once."""
    cut = [_nodes(begin, end) for begin, end in ranges]
    wanted = {node: _place(node) for nodes in cut for node in nodes}
    needed: dict[TileId, int] = {}
    for tile, _, stop in wanted.values():
        needed[tile] = max(stop, needed.get(tile, 0))
    tiles = _read(reader, needed)
    known = {
        node: _reduced(tiles[tile][start * HASH_BYTES : stop * HASH_BYTES], node[0] % HEIGHT)
        for node, (tile, start, stop) in wanted.items()
    }
    return [folded([known[node] for node in nodes]) for nodes in cut]


def _place(node: _Node) -> tuple[TileId, int, int]:
    """The tile that holds a perfect subtree, and the run of its hashes (from, to)."""
    level, above = divmod(node[0], HEIGHT)
    first = node[1] << above
    start = first % WIDTH
    return TileId(level, first // WIDTH), start, start + (1 << above)


def _reduced(hashes: bytes, heights: int) -> bytes:
    """Neighbours hashed together, as many times as there are heights to climb."""
    for _ in range(heights):
        hashes = b"".join([sha256(b"\x01" + hashes[i : i + 64]).digest() for i in range(0, len(hashes), 64)])
    return hashes


def _read(reader: TileReader, needed: Mapping[TileId, int]) -> dict[TileId, bytes]:
    """The tiles, cut to the widths that are needed. Raises ProofError for a missing or short one."""
    if not needed:
        return {}
    found = reader(sorted(needed))
    tiles: dict[TileId, bytes] = {}
    for tile, width in needed.items():
        hashes = bytes(found.get(tile, b""))
        if len(hashes) < width * HASH_BYTES or len(hashes) % HASH_BYTES:
            raise ProofError(f"{path(tile)} has {len(hashes)} bytes; {width * HASH_BYTES} are needed")
        tiles[tile] = hashes[: width * HASH_BYTES]
    return tiles


def _checked(size: int) -> int:
    if not 0 <= size <= MAX_SIZE:
        raise ProofError("a tree has between 0 and 2**63 - 1 leaves")
    return size
