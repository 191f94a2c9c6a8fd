"""Tiles as C2SP tlog-tiles cuts them; appends and proofs read few of them, in one go."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tlog import naive
from tests.tlog.stored import Stored
from vault_service.tlog.errors import ProofError
from vault_service.tlog.merkle import MAX_SIZE, Frontier, leaf_hash, verify_consistency
from vault_service.tlog.tiles import (
    TileId,
    all_tiles,
    appended,
    consistency_proof,
    inclusion_proof,
    inclusion_proofs,
    overlaid,
    path,
    root,
    widths,
)

MANY = [leaf_hash(b"%d" % i) for i in range(66_000)]
LOG = Stored(MANY)


def expected(hashes: Sequence[bytes]) -> dict[TileId, bytes]:
    """Every tile by its definition: MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l])."""
    tiles: dict[TileId, bytes] = {}
    level, row = 0, list(hashes)
    while row:
        for n in range(0, len(row), 256):
            tiles[TileId(level, n // 256)] = b"".join(row[n : n + 256])
        row = [naive.mth(row[n : n + 256]) for n in range(0, len(row) - 255, 256)]
        level += 1
    return tiles


PATHS = {
    "tile/0/000": (TileId(0, 0), 256),
    "tile/0/000.p/1": (TileId(0, 0), 1),
    "tile/0/999.p/255": (TileId(0, 999), 255),
    "tile/1/x001/000": (TileId(1, 1000), 256),
    "tile/0/x001/234.p/17": (TileId(0, 1234), 17),
    "tile/3/x001/x234/067": (TileId(3, 1234067), 256),  # the specification's example
    "tile/63/x001/x000/000": (TileId(63, 1_000_000), 256),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_tile_stands_where_the_specification_says(name: str) -> None:
    assert path(*PATHS[name]) == name


@pytest.mark.parametrize(
    ("tile", "width"),
    [
        (TileId(-1, 0), 256),
        (TileId(64, 0), 256),
        (TileId(0, -1), 256),
        (TileId(0, 0), 0),
        (TileId(0, 0), 257),
    ],
)
def test_no_other_tile_has_a_path(tile: TileId, width: int) -> None:
    with pytest.raises(ProofError, match="no such tile"):
        path(tile, width)


def test_a_tree_of_70000_has_the_tiles_of_the_specification_s_example() -> None:
    assert widths(70_000) == {TileId(0, 273): 112, TileId(1, 1): 17, TileId(2, 0): 1}
    assert widths(256) == {TileId(0, 0): 256, TileId(1, 0): 1}
    assert widths(0) == {}
    assert sum(1 for _ in all_tiles(70_000)) == 273 + 1 + 1 + 1 + 1


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_000])
def test_tiles_are_what_their_definition_says_however_the_leaves_came(size: int) -> None:
    at_once, bit_by_bit = Stored(MANY[:size]), Stored()
    for begin in range(0, size, 777):
        bit_by_bit.append(MANY[begin : min(size, begin + 777)])

    assert at_once.tiles == bit_by_bit.tiles == expected(MANY[:size])
    assert {t: len(h) // 32 for t, h in at_once.tiles.items()} == dict(all_tiles(size))
    assert root(at_once.read, size) == Frontier(MANY[:size]).root


@settings(max_examples=60)
@given(st.lists(st.integers(0, 600), max_size=6))
def test_batches_of_any_sizes_make_the_same_tiles(batches: list[int]) -> None:
    stored, size = Stored(), 0
    for batch in batches:
        before = stored.size
        tiles = dict(stored.tiles)
        changed = stored.append(MANY[size : size + batch])
        size += batch
        assert stored.size == size == before + batch
        assert all(stored.tiles[tile].startswith(tiles.get(tile, b"")) for tile in changed)  # grown only
        assert all(stored.tiles[tile] != tiles.get(tile) for tile in changed)

    assert stored.tiles == expected(MANY[:size])


def test_hashes_beyond_the_size_that_is_asked_for_are_not_carried_on() -> None:
    size, changed = appended(LOG.read, 300, MANY[1000:1500])

    forked = Stored([*MANY[:300], *MANY[1000:1500]])
    assert size == 800
    assert changed == {tile: forked.tiles[tile] for tile in changed}


def test_tiles_that_are_not_written_yet_prove_the_append_before_it_is_committed() -> None:
    stored = Stored(MANY[:1000])
    before = dict(stored.tiles)

    size, changed = appended(stored.read, 1000, MANY[1000:1600])
    ahead = overlaid(stored.read, changed)

    assert stored.tiles == before
    assert root(ahead, size) == Frontier(MANY[:1600]).root
    proof = consistency_proof(ahead, 1000, size)
    verify_consistency(1000, root(stored.read, 1000), size, root(ahead, size), proof)


def test_an_append_reads_at_most_one_tile_a_level_in_one_call() -> None:
    stored = Stored(MANY[:60_000])
    stored.calls = stored.asked = 0

    stored.append(MANY[60_000:])

    assert (stored.calls, stored.asked) == (1, 2)  # levels 0 and 1 have begun tiles; level 2 begins now


def test_proofs_read_a_few_tiles_a_level_in_one_call() -> None:
    for prove in (
        lambda: root(LOG.read, 65_999),
        lambda: inclusion_proof(LOG.read, 12_345, 65_999),
        lambda: consistency_proof(LOG.read, 12_345, 65_999),
    ):
        LOG.calls = LOG.asked = 0
        prove()
        assert LOG.calls == 1
        assert LOG.asked <= 2 * 3

    LOG.calls = LOG.asked = 0
    inclusion_proofs(LOG.read, range(1000, 1256), 65_999)
    assert (LOG.calls, LOG.asked) == (1, 2 + 1 + 2)  # leaves; what is above them; the right edge


def test_many_proofs_in_one_batch_are_those_that_one_by_one_gives() -> None:
    indexes = [5, 65_998, 5, 300, 65_535, 65_536]

    together = inclusion_proofs(LOG.read, indexes, 65_999)

    assert together == [inclusion_proof(LOG.read, index, 65_999) for index in indexes]
    assert inclusion_proofs(LOG.read, [], 65_999) == []


SPOILED: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda hashes: None,
    "one hash short": lambda hashes: hashes[:-32],
    "one byte short": lambda hashes: hashes[:-1],
    "one byte long": lambda hashes: hashes + b"\x00",
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_tile_that_is_not_whole_is_refused_by_its_path(how: str) -> None:
    stored = Stored(MANY[:300])

    def read(tiles: Sequence[TileId]) -> Mapping[TileId, bytes]:
        spoiled = {tile: SPOILED[how](hashes) for tile, hashes in stored.read(tiles).items()}
        return {tile: hashes for tile, hashes in spoiled.items() if hashes is not None}

    with pytest.raises(ProofError, match=r"tile/\d/00\d has"):
        root(read, 300)
    with pytest.raises(ProofError, match=r"tile/\d/00\d has"):
        appended(read, 300, MANY[300:301])


def test_what_is_no_hash_or_no_size_is_refused() -> None:
    for leaf_hashes in ([b"short"], [MANY[0], b""], [MANY[0][:16], MANY[0][16:]], [MANY[0] + MANY[1]]):
        with pytest.raises(ProofError, match="32 bytes"):
            appended(LOG.read, 0, leaf_hashes)
    for size in (-1, MAX_SIZE + 1):
        with pytest.raises(ProofError, match="between"):
            root(LOG.read, size)
    with pytest.raises(ProofError, match="between"):
        appended(LOG.read, MAX_SIZE, [MANY[0]])
    with pytest.raises(ProofError, match="no append"):
        consistency_proof(LOG.read, 6, 5)


def test_an_append_of_nothing_changes_and_reads_nothing() -> None:
    stored = Stored(MANY[:300])
    stored.calls = 0

    assert stored.append([]) == set()
    assert (stored.size, stored.calls) == (300, 0)
