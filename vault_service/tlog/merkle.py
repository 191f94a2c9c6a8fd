"""RFC 6962 Merkle trees over SHA-256: hashes, a growing frontier, and the two proofs' verification.

Sizes and indexes count leaves. Everything here holds for trees of up to 2**63 - 1 leaves.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from vault_service.tlog.errors import ProofError

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1  # what a bigint holds, and C2SP tlog-cosignature's bound for times
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data), 32 bytes: the prefix keeps a leaf from passing for a node (RFC 6962 2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), 32 bytes (RFC 6962 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def folded(hashes: Sequence[bytes]) -> bytes:
    """The root above perfect subtrees that stand side by side, the largest first; EMPTY_ROOT of none."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


class Frontier:
    """A tree of which only the right edge is kept: at most 63 hashes, however many leaves."""

    __slots__ = ("_peaks", "_size")

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._size = 0
        self._peaks: list[bytes] = []  # roots of the perfect subtrees, the largest first
        for each in leaf_hashes:
            self.append(each)

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf by its hash of 32 bytes. Raises ProofError for another length or a full tree."""
        if len(leaf_hash) != HASH_BYTES:
            raise ProofError(f"a leaf hash has {HASH_BYTES} bytes, not {len(leaf_hash)}")
        if self._size == MAX_SIZE:
            raise ProofError("the tree is full")
        carry, size = leaf_hash, self._size
        while size & 1:
            carry, size = node_hash(self._peaks.pop(), carry), size >> 1
        self._peaks.append(carry)
        self._size += 1

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._size

    @property
    def root(self) -> bytes:
        """MTH of all leaves, 32 bytes (RFC 6962 2.1); costs at most 62 hashes."""
        return folded(self._peaks)


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Refuse unless the leaf stands at `index` (from 0) of the tree with this size and root.

    Raises ProofError. RFC 9162 2.1.3.2.
    """
    _check_size(size)
    _check_hashes([leaf_hash, root, *proof])
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    place, last, found = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise ProofError("the inclusion proof is too short")
    if found != root:
        raise ProofError(f"the inclusion proof of leaf {index} does not lead to the root of size {size}")


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Refuse unless the larger tree is the smaller one with leaves appended.

    Raises ProofError. RFC 9162 2.1.4.2, and for an empty old tree what C2SP tlog-witness demands: an
    empty proof; its root can only be EMPTY_ROOT.
    """
    _check_size(old_size)
    _check_size(size)
    _check_hashes([old_root, root, *proof])
    if size < old_size:
        raise ProofError(f"a tree of {size} leaves is no append to one of {old_size}")
    for count, head in ((old_size, old_root), (size, root)):
        if count == 0 and head != EMPTY_ROOT:
            raise ProofError("the root of an empty tree is SHA-256 of nothing")
    if old_size == size and old_root != root:
        raise ProofError(f"two trees of {size} leaves have different roots")
    if old_size in (0, size):
        if proof:
            raise ProofError("the consistency proof is too long: there is nothing to prove")
        return
    _climb(old_size, old_root, size, root, proof)


def _climb(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 2.1.4.2 for 0 < old_size < size: rebuild both roots from one path."""
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # a perfect old tree is a node of the new one and is not sent
        path.insert(0, old_root)
    if not path:
        raise ProofError("the consistency proof is too short")
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_found = found = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if place & 1 or place == last:
            old_found, found = node_hash(sibling, old_found), node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise ProofError("the consistency proof is too short")
    if old_found != old_root:
        raise ProofError(f"the consistency proof does not lead to the root of size {old_size}")
    if found != root:
        raise ProofError(f"the consistency proof does not lead to the root of size {size}")


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise ProofError("a tree has between 0 and 2**63 - 1 leaves")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(f"a hash of a proof has not {HASH_BYTES} bytes")
