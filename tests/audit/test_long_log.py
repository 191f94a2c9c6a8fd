"""A log of 100,000 leaves: proofs as from a naive tree, and no more tiles read than its height needs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from tests.audit.trail import SEALERS, Sealed, drain, sealed, write_many
from tests.rig.postgres import TestServer, fresh_database
from tests.tlog import naive
from vault_service.storage.audit.tiles import tile_reader
from vault_service.storage.pool import Database
from vault_service.storage.roles import Side
from vault_service.tlog import tiles
from vault_service.tlog.tiles import TileId, TileReader

SIDE: Side = "records"
LEAVES = 100_000
SAMPLES = (0, 1, 255, 256, 65_535, 65_536, 77_777, LEAVES - 1)
SIZES = (1, 2, 255, 256, 257, 65_535, 65_536, 65_537, 99_999, LEAVES)


@dataclass
class Counting:
    """A reader that notes what it is asked for."""

    reader: TileReader
    asked: list[Sequence[TileId]] = field(default_factory=list)

    def __call__(self, wanted: Sequence[TileId]) -> Mapping[TileId, bytes]:
        self.asked.append(wanted)
        return self.reader(wanted)


@dataclass
class Log:
    db: Database
    sealed: Sealed
    hashes: list[bytes]


@pytest.fixture(scope="module")
def log(postgres: TestServer) -> Iterator[Log]:
    with fresh_database(postgres, SIDE) as database:
        write_many(database, LEAVES)
        db = database.open(SEALERS[SIDE], size=1)
        drain(db, SIDE)
        stored = sealed(database)
        yield Log(db, stored, [naive.leaf(leaf) for leaf in stored.leaves])
        db.close()


def test_its_root_is_the_naive_trees(log: Log) -> None:
    assert log.sealed.size == LEAVES
    log.sealed.assert_sound()


def test_its_proofs_are_the_naive_trees(log: Log) -> None:
    with log.db.connection() as conn:
        for index in SAMPLES:
            assert tiles.inclusion_proof(tile_reader(conn), index, LEAVES) == naive.path(index, log.hashes)
        for old in SIZES:
            proof = tiles.consistency_proof(tile_reader(conn), old, LEAVES)
            assert proof == naive.proof(old, log.hashes)


def test_a_proof_is_one_statement_and_reads_few_tiles(log: Log) -> None:
    """Two for each level of tiles: the path's, and the tree's right edge."""
    few = 2 * math.ceil(math.log(LEAVES, tiles.WIDTH)) + 1
    with log.db.connection() as conn:
        for index in SAMPLES:
            counting = Counting(tile_reader(conn))
            tiles.inclusion_proof(counting, index, LEAVES)
            assert len(counting.asked) == 1
            assert len(counting.asked[0]) <= few
        for old in SIZES[:-1]:
            counting = Counting(tile_reader(conn))
            tiles.consistency_proof(counting, old, LEAVES)
            assert len(counting.asked) == 1
            assert len(counting.asked[0]) <= 2 * few


def test_an_append_reads_one_tile_a_level(log: Log) -> None:
    with log.db.connection() as conn:
        counting = Counting(tile_reader(conn))
        size, changed = tiles.appended(counting, LEAVES, [bytes(32)] * 5000)

    assert size == LEAVES + 5000
    assert len(counting.asked) == 1
    assert len(counting.asked[0]) <= math.ceil(math.log(LEAVES, tiles.WIDTH))
    assert len(changed) <= 5000 // tiles.WIDTH + 4
