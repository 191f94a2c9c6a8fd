"""One pass over a log: the trees of its lines and of its tiles, and which checkpoints agree with them."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from vault_service.verify.notes import Checkpoint
from vault_service.verify.trails import Trail
from vault_service.verify.tree import HASH, WIDTH, Tree, leaf_hash, tile_path

MAX_LINE = 1 << 16  # bytes; an event has a few hundred
NULL = b"null\n"  # a leaf whose event is gone from the database


@dataclass(frozen=True, slots=True)
class Claim:
    """A checkpoint that the log must contain."""

    checkpoint: Checkpoint
    generation: int
    source: str  # where it stands: a file of the log, or what the auditor brought
    line: int = 0
    saved: bool = True  # by this log itself, not remembered by others

    @property
    def size(self) -> int:
        """How many leaves it covers."""
        return self.checkpoint.size

    @property
    def digest(self) -> bytes:
        """How a log_restored event names it when it was abandoned."""
        return hashlib.sha256(self.checkpoint.body).hexdigest().encode()


@dataclass(slots=True)
class Side:
    """The tree of the lines or of the tiles, and which checkpoints agree with it."""

    tree: Tree
    good: int = 0  # the largest saved size that agrees
    bad: list[int] = field(default_factory=list[int])  # saved sizes after it that do not
    forks: list[int] = field(default_factory=list[int])  # those before it
    foreign: list[Claim] = field(default_factory=list[Claim])  # remembered by others, not contained
    contained: dict[int, tuple[int, bytes]] = field(default_factory=dict[int, tuple[int, bytes]])
    """Generation -> size of its largest checkpoint that agrees, and the time of the last leaf in it."""

    def part(self) -> "Side":
        """The other side, from where lines and tiles part."""
        return Side(
            self.tree.copy(), self.good, [*self.bad], [*self.forks], [*self.foreign], {**self.contained}
        )

    def check(self, claim: Claim, last_at: bytes) -> None:
        """Compare a checkpoint of exactly the tree's size."""
        if self.tree.root() == claim.checkpoint.root:
            self.contained[claim.generation] = (claim.size, last_at)
            if claim.saved:
                self.forks += self.bad
                self.bad, self.good = [], claim.size
        elif not claim.saved:
            self.foreign.append(claim)
        elif claim.size not in self.bad[-1:]:
            self.bad.append(claim.size)

    def is_log(self, size: int) -> bool:
        """Whether this is what the newest checkpoint, of that size, stands for."""
        return self.tree.size == self.good == size and not self.bad


class Reading:
    """Lines beside level-0 tiles. As long as they agree, one tree stands for both."""

    def __init__(self, file: BinaryIO, tiles: Callable[[str], bytes | None], size: int) -> None:
        self._file, self._tiles, self._size = file, tiles, size
        self.by_tiles = self.by_lines = Side(Tree(tiles))
        self.first: int | None = None  # the first index at which they do not agree
        self.differing: set[int] = set()  # tiles of level 0 that a line does not agree with
        self.cut: set[int] = set()  # those of a wrong length
        self.missing: list[int] = []  # indexes

    def run(self, claims: Iterator[Claim], trail: Trail, unlocks: set[bytes]) -> list[Claim]:
        """Read as many lines as the size says; the claims, which rise in size, that are left over."""
        position, tile, claim = 0, None, next(claims, None)
        while True:
            while claim and claim.size == position:
                for side in self._sides(position):
                    side.check(claim, trail.last_at)
                claim = next(claims, None)
            if position == self._size:
                return [claim, *claims] if claim else []
            if position % WIDTH == 0:
                tile = self.leaf_tile(position // WIDTH)
            stop = min(position // WIDTH * WIDTH + WIDTH, self._size, claim.size if claim else self._size)
            lines = [self._file.readline(MAX_LINE) for _ in range(stop - position)]
            hashes = [leaf_hash(line[:-1]) for line in lines]
            at = position % WIDTH * HASH
            expected = tile[at : at + (stop - position) * HASH] if tile else None
            if b"".join(hashes) == expected:
                for side in self._sides(position):
                    side.tree.extend(hashes)
            else:
                self._part(position, lines, expected)
            trail.take(position, lines, unlocks)
            position = stop

    def leaf_tile(self, index: int) -> bytes | None:
        """The hashes of up to 256 leaves; None when the tile is missing or of a wrong length."""
        width = min(WIDTH, self._size - index * WIDTH)
        tile = self._tiles(tile_path(0, index, width))
        if tile is not None and len(tile) != width * HASH:
            self.cut.add(index)
            return None
        return tile

    def _sides(self, position: int) -> list[Side]:
        """Those that have come so far: lines or tiles may have ended."""
        both = [self.by_tiles] if self.by_lines is self.by_tiles else [self.by_tiles, self.by_lines]
        return [side for side in both if side.tree.size == position]

    def _part(self, position: int, lines: list[bytes], expected: bytes | None) -> None:
        """Lines and tile differ: grow each tree by its own; what only one of them knows is taken for both."""
        by_line: list[bytes] = []
        by_tile: list[bytes] = []
        for number, line in enumerate(lines):
            leaf = expected[number * HASH : number * HASH + HASH] if expected else None
            hash_ = leaf_hash(line.removesuffix(b"\n")) if line else None
            if line == NULL:
                self.missing.append(position + number)
                hash_ = leaf or hash_
            if hash_ is None or (leaf and hash_ != leaf):
                self.first = position + number if self.first is None else self.first
                if hash_:
                    self.differing.add(position // WIDTH)
            if hash_:
                by_line.append(hash_)
            if leaf or hash_:
                by_tile.append(leaf or hash_ or b"")
        sides = self._sides(position)
        if by_line != by_tile and self.by_lines is self.by_tiles:
            self.by_lines = self.by_tiles.part()
            sides = self._sides(position)
        for side in sides:
            side.tree.extend(by_line if side is self.by_lines else by_tile)
