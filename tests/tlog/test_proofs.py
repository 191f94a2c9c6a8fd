"""Trees of any shape: every proof equals the definition's, is accepted, and nothing else is."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tlog import naive
from tests.tlog.stored import Stored
from vault_service.tlog.errors import ProofError
from vault_service.tlog.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Frontier,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from vault_service.tlog.tiles import TileId, consistency_proof, inclusion_proof, inclusion_proofs, root

HASHES = [leaf_hash(b"%d" % i) for i in range(600)]
LOG = Stored(HASHES)
ROOTS = [naive.mth(HASHES[:size]) for size in range(301)]
AROUND_A_TILE = (255, 256, 257, 511, 512, 513, 600)


def places(below: int, *chosen: int) -> list[int]:
    """Every place of a small tree, and the chosen ones of a larger."""
    return [each for each in range(below) if below <= 71 or each in chosen]


def test_a_leaf_never_passes_for_a_node() -> None:
    left, right = HASHES[:2]

    assert leaf_hash(left + right) != node_hash(left, right) == naive.mth([left, right])


@pytest.mark.parametrize("size", [*range(1, 71), *AROUND_A_TILE])
def test_every_inclusion_proof_is_the_definition_s_and_is_accepted(size: int) -> None:
    hashes, top = HASHES[:size], naive.mth(HASHES[:size])
    indexes = places(size, 0, 1, size // 2, *range(250, 260), size - 1)

    proofs = inclusion_proofs(LOG.read, indexes, size)

    assert proofs == [naive.path(index, hashes) for index in indexes]
    for index, proof in zip(indexes, proofs, strict=True):
        verify_inclusion(HASHES[index], index, size, proof, top)


@pytest.mark.parametrize("size", [*range(71), *AROUND_A_TILE])
def test_every_consistency_proof_is_the_definition_s_and_is_accepted(size: int) -> None:
    hashes, top = HASHES[:size], naive.mth(HASHES[:size])

    for old in places(size + 1, 0, 1, 3, 128, 255, 256, 257, size - 1, size):
        proof = consistency_proof(LOG.read, old, size)
        assert proof == naive.proof(old, hashes)
        verify_consistency(old, naive.mth(HASHES[:old]), size, top, proof)


@pytest.mark.parametrize("size", range(301))
def test_the_root_of_each_size_is_the_definition_s_though_the_tiles_are_wider(size: int) -> None:
    assert root(LOG.read, size) == Frontier(HASHES[:size]).root == ROOTS[size]


@given(data=st.data())
def test_an_inclusion_proof_holds_for_its_own_leaf_place_and_root_only(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(LOG.read, index, size)
    verify_inclusion(HASHES[index], index, size, proof, ROOTS[size])
    other = data.draw(st.integers(0, 299).filter(lambda i: i != index))

    for wrong in (
        lambda: verify_inclusion(HASHES[other], index, size, proof, ROOTS[size]),
        lambda: verify_inclusion(HASHES[index], other, size, proof, ROOTS[size]),
        lambda: verify_inclusion(HASHES[index], index, size, proof, ROOTS[size - 1]),
        lambda: verify_inclusion(HASHES[index], index, size, changed(proof, data), ROOTS[size]),
    ):
        refused(wrong)


@given(data=st.data())
def test_a_consistency_proof_holds_for_its_own_sizes_and_roots_only(data: st.DataObject) -> None:
    old, new = sorted(data.draw(st.lists(st.integers(1, 300), min_size=2, max_size=2, unique=True)))
    proof = consistency_proof(LOG.read, old, new)
    verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)

    for wrong in (
        lambda: verify_consistency(old, ROOTS[old - 1], new, ROOTS[new], proof),
        lambda: verify_consistency(old, ROOTS[old], new, ROOTS[new - 1], proof),
        lambda: verify_consistency(new, ROOTS[new], old, ROOTS[old], proof),
        lambda: verify_consistency(old, ROOTS[old], new, ROOTS[new], changed(proof, data)),
    ):
        refused(wrong)


def changed(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    """Another proof: one hash altered, left out, doubled, put elsewhere or added."""
    longer = [*proof, sha256(b"more").digest()]
    if not proof:
        return longer
    i = data.draw(st.integers(0, len(proof) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    altered = bytes([proof[i][0] ^ bit]) + proof[i][1:]
    return data.draw(
        st.sampled_from(
            [
                [*proof[:i], altered, *proof[i + 1 :]],
                [*proof[:i], *proof[i + 1 :]],
                [*proof[:i], proof[i], *proof[i:]],
                [proof[i][:31], *proof[1:]],
                longer,
            ]
        )
    )


def refused(call: Callable[[], object], why: str | None = None) -> None:
    """The call raises ProofError."""
    with pytest.raises(ProofError, match=why):
        call()


@given(st.integers(1, 300), st.integers(0, 299))
def test_a_log_in_which_one_earlier_leaf_was_changed_is_no_append(old: int, place: int) -> None:
    forged = [*HASHES[:300]]
    forged[place] = leaf_hash(b"forged")
    log = Stored(forged)
    proof = consistency_proof(log.read, old, 300)

    if place < old:
        refused(lambda: verify_consistency(old, ROOTS[old], 300, root(log.read, 300), proof))
    else:  # a leaf that was not in the old tree may be anything
        verify_consistency(old, ROOTS[old], 300, root(log.read, 300), proof)


EDGES = {
    "a smaller tree": (3, ROOTS[3], 2, ROOTS[2], [], "no append"),
    "the same size with another root": (3, ROOTS[3], 3, ROOTS[4], [], "different roots"),
    "a proof between equal trees": (3, ROOTS[3], 3, ROOTS[3], [HASHES[0]], "too long"),
    "a proof from the empty tree": (0, EMPTY_ROOT, 3, ROOTS[3], [HASHES[0]], "too long"),
    "an empty old tree with some root": (0, ROOTS[1], 3, ROOTS[3], [], "empty tree"),
    "two empty trees with some root": (0, ROOTS[1], 0, ROOTS[1], [], "empty tree"),
    "no proof": (3, ROOTS[3], 5, ROOTS[5], [], "too short"),
    "no proof from a perfect tree": (4, ROOTS[4], 5, ROOTS[5], [], "too short"),
    "a size below 0": (-1, ROOTS[3], 5, ROOTS[5], [], "between"),
    "a size beyond 2**63 - 1": (3, ROOTS[3], 2**63, ROOTS[5], [], "between"),
    "a short root": (3, ROOTS[3][:31], 5, ROOTS[5], [], "32 bytes"),
}


@pytest.mark.parametrize("name", EDGES)
def test_what_can_be_no_append_is_refused(name: str) -> None:
    old, old_root, new, new_root, proof, why = EDGES[name]

    refused(lambda: verify_consistency(old, old_root, new, new_root, proof), why)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 255, 256, 300])
def test_a_proof_of_another_length_is_refused_as_such(size: int) -> None:
    included = inclusion_proof(LOG.read, size - 1, size)
    refused(
        lambda: verify_inclusion(HASHES[size - 1], size - 1, size, [*included, HASHES[0]], ROOTS[size]),
        "too long",
    )
    for old in {1, size // 2} - {0, size}:
        proof = consistency_proof(LOG.read, old, size)
        check = partial(verify_consistency, old, ROOTS[old], size, ROOTS[size])
        refused(partial(check, [*proof, HASHES[0]]), "too long")
        refused(partial(check, proof[:-1]), "too short")


@pytest.mark.parametrize("index", [-1, 5, 2**70])
def test_a_leaf_outside_the_tree_has_no_proof(index: int) -> None:
    refused(lambda: verify_inclusion(HASHES[0], index, 5, [HASHES[1]] * 3, ROOTS[5]), "no leaf")
    refused(lambda: inclusion_proof(LOG.read, index, 5), "no leaf")


def test_a_frontier_takes_hashes_only() -> None:
    refused(lambda: Frontier().append(b"not hashed"), "32 bytes")


LEVEL_ROOTS = [leaf_hash(b"always the same")]
for _ in range(63):
    LEVEL_ROOTS.append(node_hash(LEVEL_ROOTS[-1], LEVEL_ROOTS[-1]))


def uniform(tiles: Sequence[TileId]) -> Mapping[TileId, bytes]:
    """A log of any size whose leaves are all the same: each hash depends on its height alone."""
    return {tile: LEVEL_ROOTS[8 * tile.level] * 256 for tile in tiles}


HUGE = [65535, 65536, 65537, 131072, 16777215, 16777216, 16777217, 2**40 + 12345, 2**62, 2**63 - 2, MAX_SIZE]


@pytest.mark.parametrize("size", HUGE)
def test_proofs_hold_in_trees_of_up_to_2_63_leaves(size: int) -> None:
    top = root(uniform, size)

    for index in {0, 255, 256, 65535, size // 2, size - 2, size - 1}:
        if index < size:
            verify_inclusion(LEVEL_ROOTS[0], index, size, inclusion_proof(uniform, index, size), top)
    for old in {1, 255, 256, 257, 512, 65535, size // 2, size // 2 + 1, size - 1, size}:
        verify_consistency(old, root(uniform, old), size, top, consistency_proof(uniform, old, size))


@settings(max_examples=50)
@given(st.integers(1, MAX_SIZE), st.data())
def test_proofs_hold_in_a_tree_of_any_size(size: int, data: st.DataObject) -> None:
    old, top = data.draw(st.integers(1, size)), root(uniform, size)

    verify_consistency(old, root(uniform, old), size, top, consistency_proof(uniform, old, size))
    verify_inclusion(LEVEL_ROOTS[0], old - 1, size, inclusion_proof(uniform, old - 1, size), top)
