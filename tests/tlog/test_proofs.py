from tests.tlog import naive
from tests.tlog.stored import Stored
from vault_service.tlog.merkle import Frontier, verify_consistency, verify_inclusion
from vault_service.tlog.tiles import consistency_proof, inclusion_proof, root


def test_small() -> None:
    hashes = [naive.leaf(bytes([i % 256, i // 256])) for i in range(40)]
    s = Stored(hashes)
    for n in range(1, 41):
        r = naive.mth(hashes[:n])
        assert root(s.read, n) == r == Frontier(hashes[:n]).root
        for i in range(n):
            p = inclusion_proof(s.read, i, n)
            assert p == naive.path(i, hashes[:n])
            verify_inclusion(hashes[i], i, n, p, r)
        for o in range(n + 1):
            p = consistency_proof(s.read, o, n)
            assert p == naive.proof(o, hashes[:n])
            verify_consistency(o, naive.mth(hashes[:o]), n, r, p)
