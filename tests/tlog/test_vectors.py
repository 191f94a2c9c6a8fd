"""What others published: Certificate Transparency's eight-leaf tree; notes of C2SP, Go and a public log."""

from typing import Any

import pytest

from tests.tlog.stored import Stored
from tests.vectors.load import load
from vault_service.tlog.add_checkpoint import AddCheckpoint, format_cosignatures, parse_cosignatures
from vault_service.tlog.checkpoint import parse_checkpoint
from vault_service.tlog.merkle import EMPTY_ROOT, Frontier, leaf_hash, verify_consistency, verify_inclusion
from vault_service.tlog.note import VerifierKey, format_note, parse_note, verified
from vault_service.tlog.tiles import consistency_proof, inclusion_proof, root

TREE = load("rfc6962")
LEAVES = [leaf_hash(bytes.fromhex(leaf)) for leaf in TREE["leaves"]]
ROOTS = [bytes.fromhex(each) for each in [TREE["empty_root"], *TREE["roots"]]]
NOTES = load("signed_note")


def of_hex(proof: list[str]) -> list[bytes]:
    """The proof's hashes."""
    return [bytes.fromhex(each) for each in proof]


def test_an_empty_tree_has_the_published_root() -> None:
    assert ROOTS[0] == EMPTY_ROOT == Frontier().root == root(Stored().read, 0)


@pytest.mark.parametrize("size", range(9))
def test_each_size_has_the_published_root(size: int) -> None:
    stored = Stored(LEAVES)

    assert Frontier(LEAVES[:size]).root == root(stored.read, size) == ROOTS[size]


@pytest.mark.parametrize("vector", TREE["inclusion"], ids=lambda v: f"{v['index']} in {v['size']}")
def test_the_published_inclusion_proofs_are_made_and_accepted(vector: dict[str, Any]) -> None:
    index, size, proof = vector["index"], vector["size"], of_hex(vector["proof"])

    assert inclusion_proof(Stored(LEAVES).read, index, size) == proof
    verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("vector", TREE["consistency"], ids=lambda v: f"{v['old']} to {v['new']}")
def test_the_published_consistency_proofs_are_made_and_accepted(vector: dict[str, Any]) -> None:
    old, new, proof = vector["old"], vector["new"], of_hex(vector["proof"])

    assert consistency_proof(Stored(LEAVES).read, old, new) == proof
    verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)


@pytest.mark.parametrize("name", ["plain", "sumdb"])
def test_the_published_notes_verify_with_the_published_keys(name: str) -> None:
    key, note = VerifierKey.parse(NOTES[name]["vkey"]), parse_note(NOTES[name]["note"])

    assert verified(note, [key]) == ((key, None),)
    assert (key.format(), format_note(note)) == (NOTES[name]["vkey"], NOTES[name]["note"])


def test_a_public_log_s_checkpoint_verifies_with_its_key_and_a_public_witness_s() -> None:
    vector = NOTES["checkpoint"]
    log, cosigner = VerifierKey.parse(vector["log_vkey"]), VerifierKey.parse(vector["cosigner_vkey"])

    note = parse_note(vector["note"].encode())

    assert verified(note, [cosigner, log]) == ((log, None), (cosigner, vector["cosigned_at"]))
    assert parse_checkpoint(note.text).size == vector["size"]
    assert parse_checkpoint(note.text).body() == note.text


def test_the_specification_s_request_and_answer_are_read_and_written_byte_for_byte() -> None:
    request, answer = AddCheckpoint.parse(NOTES["request"]), parse_cosignatures(NOTES["answer"])

    assert (request.old_size, len(request.proof)) == (20852014, 4)
    assert parse_checkpoint(request.note.text).origin == "example.com/behind-the-sofa"
    assert request.format() == NOTES["request"]
    assert [each.name for each in answer] == ["witness.example/w1"] * 2 + ["witness.example/w2"]
    assert format_cosignatures(answer) == NOTES["answer"]
