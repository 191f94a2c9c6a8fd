"""Notes have one form; who signed them is known; trees are those of RFC 6962."""

import base64
import json
from collections.abc import Callable, Sequence

import pytest

from tests.verify.exports import (
    COSIGNED,
    VAULT,
    Export,
    audit_path,
    cosigned_by,
    key,
    key_file,
    signed_by,
    tiles,
    tree_hash,
    vkey,
)
from tests.verify.verifying import names, report
from vault_service.verify.export import verify_export
from vault_service.verify.findings import NoteError
from vault_service.verify.notes import log_of, parse_checkpoint, read_keys, vouched
from vault_service.verify.tree import Tree, included, leaf_hash, node_hash, tile_path, tile_paths

pytestmark = pytest.mark.slow

NAME = f"{VAULT}/records"
ROOT = base64.b64encode(bytes(range(32))).decode()
BODY = f"{NAME}\n7\n{ROOT}\n"
SIGNED = signed_by(NAME, key("records"), BODY)
NOTE = BODY + "\n" + SIGNED
KEYS = read_keys(key_file())


def test_a_note_in_its_form_is_read() -> None:
    checkpoint = parse_checkpoint(NOTE)

    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (NAME, 7, bytes(range(32)))
    assert vouched(checkpoint, KEYS, "records").signed_by == {"signing"}


REFUSED = {
    "leading zero": NOTE.replace("\n7\n", "\n07\n"),
    "plus": NOTE.replace("\n7\n", "\n+7\n"),
    "minus": NOTE.replace("\n7\n", "\n-7\n"),
    "underscore": NOTE.replace("\n7\n", "\n7_0\n"),
    "non-ASCII digit": NOTE.replace("\n7\n", "\n٧\n"),
    "space": NOTE.replace("\n7\n", "\n7 \n"),
    "too large": NOTE.replace("\n7\n", f"\n{2**63}\n"),
    "endless": NOTE.replace("\n7\n", f"\n{'7' * 5000}\n"),
    "no size": NOTE.replace("\n7\n", "\n\n"),
    "no origin": NOTE.replace(NAME, "", 1),
    "bad base64": NOTE.replace(ROOT, "!" + ROOT[1:]),
    "url-safe base64": NOTE.replace(ROOT, ROOT.replace("A", "_", 1)),
    "base64 without padding": NOTE.replace(ROOT, ROOT.rstrip("=")),
    "base64 not canonical": NOTE.replace(ROOT, ROOT[:-2] + "9="),
    "short root": NOTE.replace(ROOT, base64.b64encode(bytes(31)).decode()),
    "CRLF": NOTE.replace("\n", "\r\n"),
    "tab": NOTE.replace("\n7\n", "\n7\t\n"),
    "delete character": NOTE.replace("\n7\n", "\n7\x7f\n"),
    "control character of two bytes": NOTE.replace("vault", "vault\x9b", 1),
    "lone surrogate": NOTE.replace("vault", "vault\ud800", 1),
    "extension line": NOTE.replace("\n\n", "\nmore\n\n"),
    "missing line": NOTE.replace("\n7\n", "\n"),
    "empty line in the text": NOTE.replace("\n7\n", "\n7\n\n"),
    "no empty line": NOTE.replace("\n\n", "\n"),
    "two empty lines": NOTE.replace("\n\n", "\n\n\n"),
    "no signature": BODY + "\n",
    "no last newline": NOTE[:-1],
    "trailing bytes": NOTE + "x",
    "trailing newline": NOTE + "\n",
    "hyphen for a dash": NOTE.replace("—", "-"),
    "two spaces": NOTE.replace("— ", "—  "),
    "a third word": NOTE[:-1] + " x\n",
    "plus in a name": NOTE + SIGNED.replace("vault", "va+ult"),
    "signature not base64": NOTE + "— x !!!!\n",
    "signature too short": NOTE + "— x AAAAAA==\n",
    "the same key twice": NOTE + SIGNED,
    "65 signatures": NOTE + "".join(f"— x{n} AAAAAAA=\n" for n in range(64)),
    "over 1 MiB": NOTE + f"— {'x' * (1 << 20)} AAAAAAA=\n",
    "empty": "",
}  # fmt: skip


@pytest.mark.parametrize("note", REFUSED.values(), ids=REFUSED)
def test_every_other_form_is_refused(note: str) -> None:
    with pytest.raises(NoteError) as refused:
        parse_checkpoint(note)

    assert refused.value.finding == "note.form"


def test_64_signatures_of_strangers_and_ours_are_read() -> None:
    note = NOTE + "".join(f"— x{n} AAAAAAA=\n" for n in range(63))

    assert vouched(parse_checkpoint(note), KEYS, "records").signed_by == {"signing"}


@pytest.mark.parametrize(
    ("origin", "generation"), [(NAME, 1), (NAME + "/restored-1", 2), (NAME + "/restored-12", 13)]
)
def test_an_origin_names_log_and_generation(origin: str, generation: int) -> None:
    assert log_of(parse_checkpoint(NOTE.replace(NAME, origin, 1)), KEYS) == ("records", generation)


@pytest.mark.parametrize(
    "origin",
    [
        *(
            NAME + end
            for end in ("/", "x", "/restored-", "/restored-0", "/restored-01", "/restored-1/restored-1")
        ),
        *("example.org/log", NAME.replace("ab", "ac", 1), "x" + NAME),
    ],
)
def test_any_other_origin_is_refused(origin: str) -> None:
    with pytest.raises(NoteError) as refused:
        log_of(parse_checkpoint(NOTE.replace(NAME, origin, 1)), KEYS)

    assert refused.value.finding == "note.origin"


@pytest.mark.parametrize(
    "note",
    [
        BODY + "\n" + signed_by(NAME, key("somebody else"), BODY),
        BODY + "\n" + signed_by("somebody", key("records"), BODY),
        BODY + "\n" + signed_by(f"{VAULT}/keys", key("keys"), BODY),
        BODY + "\n" + cosigned_by("witness", key("witness"), BODY, COSIGNED),
        NOTE.replace("\n7\n", "\n8\n"),
        NOTE.replace(NAME + "\n", NAME + "/restored-1\n"),
        NOTE + cosigned_by("witness", key("witness"), BODY.replace("\n7\n", "\n8\n"), COSIGNED),
        BODY + "\n" + SIGNED.replace(SIGNED[-20], "A" if SIGNED[-20] != "A" else "B"),
    ],
    ids=["unknown key", "unknown name", "the other log's key", "cosigned only", "another size",
         "another origin", "cosignature of another text", "a bit of the signature"],
)  # fmt: skip
def test_a_note_that_the_logs_key_does_not_vouch_for_is_refused(note: str) -> None:
    with pytest.raises(NoteError) as refused:
        vouched(parse_checkpoint(note), KEYS, "records")

    assert refused.value.finding == "note.signature"


def test_a_cosignature_covers_its_time() -> None:
    line = cosigned_by("witness", key("witness"), BODY, COSIGNED)
    blob = bytearray(base64.b64decode(line.split(" ")[2]))
    blob[11] ^= 1
    forged = f"— witness {base64.b64encode(blob).decode()}\n"

    assert vouched(parse_checkpoint(NOTE + line), KEYS, "records").cosigned.popitem()[1] == COSIGNED
    with pytest.raises(NoteError):
        vouched(parse_checkpoint(NOTE + forged), KEYS, "records")


def test_a_retired_key_vouches_for_old_checkpoints_but_not_for_the_newest(export: Export) -> None:
    export.records.retired_until = 400
    export.write()
    assert not report(export).findings

    export.records.retired_until = 600
    export.write()
    (one,) = report(export).findings
    assert (one.name, one.where["file"]) == ("note.signature", "records/checkpoint")


@pytest.mark.parametrize(("demanded", "sound"), [(None, False), (0, True), (1, False), (2, False)])
def test_an_uncosigned_head_is_sound_only_if_the_auditor_says_so(
    export: Export, demanded: int | None, sound: bool
) -> None:
    export.records.cosigned = False
    export.write()

    assert names(report(export, cosignatures=demanded)) == (set() if sound else {"note.cosignatures"})


def test_more_cosignatures_than_there_are_are_not_counted(export: Export) -> None:
    assert names(report(export, cosignatures=2)) == {"note.cosignatures"}


def test_of_several_cosignatures_the_latest_says_how_fresh_the_head_is(export: Export) -> None:
    held = key_file() + f"cosigning {vkey('other', key('other'), 4)[0]}\n".encode()
    note = export.records.note(600) + cosigned_by(
        "other", key("other"), export.records.body(600), COSIGNED + 90
    )
    saved = export.get("records/checkpoints.jsonl").splitlines(keepends=True)
    export.put("audit.vkey", held)
    export.put("records/checkpoint", note.encode())
    export.put("records/checkpoints.jsonl", b"".join([*saved[:-1], json.dumps(note).encode() + b"\n"]))
    export.remake_manifest()

    seen = verify_export(export.folder, held, cosignatures=None)

    assert seen.findings == []
    assert seen.sound[1].endswith("cosigned by other, witness, last at 2026-11-27 10:21:30 UTC")


def test_a_note_in_the_list_that_is_none_is_named_with_its_line(export: Export) -> None:
    lines = export.get("records/checkpoints.jsonl").splitlines(keepends=True)
    export.put(
        "records/checkpoints.jsonl", b"".join([lines[0], b"[]\n", b'"nonsense"\n', lines[0], *lines[1:]])
    )
    export.remake_manifest()

    assert [(one.name, one.where["line"]) for one in report(export).findings] == [
        ("note.form", 2), ("note.form", 3), ("note.form", 4),
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["records/checkpoint", "records/checkpoints.jsonl", "records/held.jsonl"])
def test_a_checkpoint_of_the_other_log_is_of_a_wrong_origin(export: Export, path: str) -> None:
    export.put(path, export.get(path.replace("records", "keys")))
    export.remake_manifest()

    assert "note.origin" in names(report(export))


@pytest.mark.parametrize(
    "note", ["nonsense", NOTE.replace(NAME, "example.org/log", 1), NOTE.replace("\n7\n", "\n8\n")]
)
def test_a_kept_checkpoint_that_is_none_of_this_vault_is_named(export: Export, note: str) -> None:
    (one,) = report(export, held={"kept": note}).findings

    assert one.name.startswith("note.")
    assert one.where["file"] == "kept"


# Certificate Transparency's own test tree, google/certificate-transparency (Apache-2.0), cpp/merkletree.
CT_HEX = " 00 10 2021 3031 40414243 5051525354555657 606162636465666768696a6b6c6d6e6f"
CT_LEAVES = [bytes.fromhex(leaf) for leaf in CT_HEX.split(" ")]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def grown(leaves: Sequence[bytes], read: Callable[[str], bytes | None] = lambda _: None) -> Tree:
    tree = Tree(read)
    tree.extend([leaf_hash(leaf) for leaf in leaves])
    return tree


def test_roots_are_those_of_certificate_transparency() -> None:
    assert [grown(CT_LEAVES[:size]).root().hex() for size in range(9)] == CT_ROOTS


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537, 65_900])
def test_roots_and_tiles_are_those_of_a_naive_tree(size: int) -> None:
    leaves = [b"%d" % number for number in range(size)]
    naive = tiles(leaves)
    asked: set[str] = set()

    def read(path: str) -> bytes | None:
        asked.add(path)
        return naive[path]

    tree = grown(leaves, read)
    tree.finish()

    assert tree.root() == tree_hash(leaves)
    assert tree.altered == []
    assert set(tile_paths(size)) == naive.keys()
    assert asked == {path for path in naive if not path.startswith("tile/0/")}


def test_tile_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(1, 1234, 17) == "tile/1/x001/234.p/17"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 33])
def test_a_proof_holds_for_its_leaf_index_size_and_root_alone(size: int) -> None:
    leaves = [b"%d" % number for number in range(size)]
    root = tree_hash(leaves)
    for index in range(size):
        proof = audit_path(index, leaves)
        leaf = leaf_hash(leaves[index])
        assert included(leaf, index, size, proof, root)
        assert not included(leaf_hash(b"x"), index, size, proof, root)
        assert not any(
            included(leaf, other, size, proof, root) for other in range(-1, size + 1) if other != index
        )
        assert not included(leaf, index, size, [*proof, bytes(32)], root)
        assert not included(leaf, index, size, proof, bytes(32))
        assert not proof or not included(leaf, index, size, proof[:-1], root)


def test_a_proof_is_no_longer_than_its_tree_is_high() -> None:
    """Whoever signed an inner hash as a tree of one leaf would have two stories of it."""
    leaf, other = leaf_hash(b"a"), leaf_hash(b"b")

    assert not included(leaf, 0, 1, [other], node_hash(other, leaf))


def test_key_ids_are_those_of_signed_note() -> None:
    """The example of golang.org/x/mod/sumdb/note (BSD-3-Clause)."""
    encoded = "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

    class Public:
        def public_key(self) -> "Public":
            return self

        def public_bytes_raw(self) -> bytes:
            return base64.b64decode(encoded)[1:]

    assert vkey("PeterNeumann", Public(), 1)[0] == f"PeterNeumann+c74f20a3+{encoded}"  # type: ignore[arg-type]
