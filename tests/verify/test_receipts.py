"""What a person can check of the accesses to their own data."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.verify.exports import VAULT, Export, audit_path, key_file, uuid
from vault_service.verify.findings import UnreadableError
from vault_service.verify.receipts import verify_receipts

Bundle = dict[str, Any]


@pytest.fixture
def bundle(export: Export) -> Bundle:
    leaves = export.records.leaves
    return {
        "v": 1, "log": "records", "user_id": uuid("ana"), "checkpoint": export.records.note(600),
        "unsealed": 0,
        "receipts": [
            {
                "index": index,
                "leaf": leaves[index].decode(),
                "proof": [base64.b64encode(one).decode() for one in audit_path(index, leaves)],
            }
            for index in (0, 7, 255, 599)
        ],
    }  # fmt: skip


def checked(bundle: Bundle, **more: Any) -> set[tuple[str, Any]]:
    seen = verify_receipts(json.dumps(bundle).encode(), key_file(), **more)
    return {(one.name, one.where.get("index")) for one in seen.findings}


def test_receipts_that_hold_are_sound(bundle: Bundle) -> None:
    seen = verify_receipts(json.dumps(bundle).encode(), key_file())

    assert seen.text() == "sound\nchecked: 4 receipts against a checkpoint of 600 leaves of the records log"


def test_accesses_not_yet_sealed_are_a_notice(bundle: Bundle) -> None:
    seen = verify_receipts(json.dumps(bundle | {"unsealed": 3}).encode(), key_file())

    assert (seen.findings, len(seen.notices)) == ([], 1)


def test_before_the_first_checkpoint_it_is_said_that_nothing_is_sealed(bundle: Bundle) -> None:
    young = bundle | {"checkpoint": None, "receipts": [], "unsealed": 3}

    seen = verify_receipts(json.dumps(young).encode(), key_file())

    assert seen.findings == []
    (notice,) = seen.notices
    assert notice.startswith("nothing was sealed yet, so nothing is proven; 3 accesses")
    assert seen.sound == ["0 receipts: the log had no checkpoint yet"]


def test_a_member_that_stands_twice_is_not_read_one_way_or_the_other(bundle: Bundle) -> None:
    twice = json.dumps(bundle)[:-1] + ', "unsealed": 0}'

    with pytest.raises(UnreadableError):
        verify_receipts(twice.encode(), key_file())


def test_receipts_without_a_checkpoint_are_none(bundle: Bundle) -> None:
    with pytest.raises(UnreadableError):
        verify_receipts(json.dumps(bundle | {"checkpoint": None}).encode(), key_file())


def test_one_event_that_was_sealed_twice_is_named(export: Export, bundle: Bundle) -> None:
    """Both proofs hold: an access would count double."""
    export.records.leaves = [*export.records.leaves, export.records.leaves[7]]
    bundle |= {"checkpoint": export.records.note(601)}
    bundle["receipts"] = [
        {
            "index": index,
            "leaf": export.records.leaves[index].decode(),
            "proof": [base64.b64encode(one).decode() for one in audit_path(index, export.records.leaves)],
        }
        for index in (7, 600)
    ]

    assert checked(bundle) == {("event.twice", 600)}


def change(**more: Any) -> Callable[[Bundle], None]:
    return lambda bundle: bundle["receipts"][1].update(more)


def swap_proof(bundle: Bundle) -> None:
    bundle["receipts"][1]["proof"][0] = base64.b64encode(bytes(32)).decode()


def edit(bundle: Bundle) -> None:
    bundle["receipts"][1]["leaf"] = bundle["receipts"][1]["leaf"].replace("record_read", "record_deleted")


FORGED: list[tuple[str, Callable[[Bundle], None], set[tuple[str, Any]]]] = [
    ("another index", change(index=8), {("receipt.proof", 8)}),
    ("beyond the log", change(index=600), {("receipt.proof", 600)}),
    ("negative", change(index=-1), {("receipt.proof", -1)}),
    ("edited", edit, {("receipt.proof", 7)}),
    ("no proof", change(proof=[]), {("receipt.proof", 7)}),
    ("a wrong hash", swap_proof, {("receipt.proof", 7)}),
    ("proof not base64", change(proof=["!"]), {("receipt.form", 7)}),
    ("a hash too short", change(proof=[base64.b64encode(bytes(31)).decode()]), {("receipt.form", 7)}),
    ("proof not texts", change(proof=[1]), {("receipt.form", 7)}),
    ("index as text", change(index="7"), {("receipt.form", None)}),
    ("index as truth", change(index=True), {("receipt.form", None)}),
    ("twice", change(index=0), {("receipt.form", None)}),
    ("no event", change(leaf="{}"), {("leaf.form", 7), ("receipt.proof", 7)}),
    ("somebody else's", lambda bundle: bundle.update(user_id=uuid("bob")),
     {("receipt.user", index) for index in (0, 7, 255, 599)}),
]  # fmt: skip


@pytest.mark.parametrize(("forge", "expected"), [one[1:] for one in FORGED], ids=[one[0] for one in FORGED])
def test_a_receipt_that_does_not_hold_is_named(
    bundle: Bundle, forge: Callable[[Bundle], None], expected: set[tuple[str, Any]]
) -> None:
    forge(bundle)

    assert checked(bundle) == expected


def test_the_checkpoint_must_be_the_records_logs_signed_and_cosigned(export: Export, bundle: Bundle) -> None:
    export.records.cosigned = False
    lone = export.records.note(600)

    assert checked(bundle | {"checkpoint": "nonsense"}) == {("note.form", None)}
    assert checked(bundle | {"checkpoint": export.keys.note(60)}) == {("note.origin", None)}
    assert checked(bundle | {"checkpoint": lone.replace("\n600\n", "\n601\n")}) == {("note.signature", None)}
    assert checked(bundle | {"checkpoint": lone}) == {("note.cosignatures", None)}
    assert checked(bundle | {"checkpoint": lone}, cosignatures=0) == set()
    assert VAULT in lone


def test_an_event_of_the_keys_log_is_proven_in_the_same_way(export: Export) -> None:
    leaf = export.keys.leaves[3]
    proof = [base64.b64encode(one).decode() for one in audit_path(3, export.keys.leaves)]
    bundle: Bundle = {
        "v": 1, "log": "keys", "user_id": json.loads(leaf)["user_id"], "unsealed": 0,
        "checkpoint": export.keys.note(len(export.keys.leaves)),
        "receipts": [{"index": 3, "leaf": leaf.decode(), "proof": proof}],
    }  # fmt: skip

    assert checked(bundle) == set()
    assert ("receipt.proof", 2) in checked(bundle | {"receipts": [bundle["receipts"][0] | {"index": 2}]})


def test_a_proof_from_one_log_is_none_in_the_other(bundle: Bundle) -> None:
    assert checked(bundle | {"log": "keys"}) == {("note.origin", None)}


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b"\xff", b'{"v":1,"v":1}', b"[" * 100_000],
    ids=["empty", "list", "no members", "not UTF-8", "a member twice", "deep"],
)  # fmt: skip
def test_what_are_no_receipts_cannot_be_read(document: bytes) -> None:
    with pytest.raises(UnreadableError):
        verify_receipts(document, key_file())


@pytest.mark.parametrize(
    "more",
    [
        {"v": 2}, {"log": "others"}, {"log": 1}, {"user_id": 1}, {"checkpoint": None}, {"receipts": {}},
        {"receipts": [1]}, {"unsealed": "0"}, {"unsealed": True}, {"unsealed": -1},
    ],
)  # fmt: skip
def test_a_bundle_of_another_form_cannot_be_read(bundle: Bundle, more: Bundle) -> None:
    with pytest.raises(UnreadableError):
        verify_receipts(json.dumps(bundle | more).encode(), key_file())
