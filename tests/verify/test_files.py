"""An export is exactly the files that MANIFEST names, byte for byte; nothing outside is ever opened."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verify.exports import Export, key, key_file, vkey
from tests.verify.verifying import names, report
from vault_service.verify.export import verify_export
from vault_service.verify.findings import UnreadableError, shown

HASH = b"0" * 64


def test_a_file_that_manifest_does_not_name_is_unnamed(export: Export) -> None:
    export.put("records/notes.txt", b"trust me\n")

    (one,) = report(export).findings
    assert (one.name, one.where["file"]) == ("file.unnamed", "records/notes.txt")


def test_a_file_that_is_no_part_of_an_export_is_unnamed_although_manifest_names_it(export: Export) -> None:
    export.put("records/tile/0/900", b"trust me\n")
    export.remake_manifest()

    assert [(one.name, one.where["file"]) for one in report(export).findings] == [
        ("file.unnamed", "records/tile/0/900")
    ]


@pytest.mark.parametrize(
    "path", ["audit.vkey", "keys/held.jsonl", "keys/checkpoints.jsonl", "keys/tile/0/000.p/60"]
)
@pytest.mark.parametrize("remade", [False, True], ids=["named", "manifest remade"])
def test_a_file_that_is_gone_is_missing(export: Export, path: str, remade: bool) -> None:
    (export.folder / path).unlink()
    if remade:
        export.remake_manifest()

    assert ("file.missing", path) in {(one.name, one.where.get("file")) for one in report(export).findings}


@pytest.mark.parametrize("path", ["keys/events.jsonl", "keys/checkpoint"])
def test_without_events_or_a_checkpoint_nothing_is_called_sound(export: Export, path: str) -> None:
    (export.folder / path).unlink()
    export.remake_manifest()

    seen = report(export)
    assert "file.missing" in names(seen)
    assert seen.notices == ["the trails were not held against each other: a log is not what was logged"]


@pytest.mark.parametrize("path", ["keys/events.jsonl", "keys/held.jsonl", "keys/checkpoints.jsonl"])
def test_a_last_newline_that_is_missing_is_refused_although_manifest_was_remade(
    export: Export, path: str
) -> None:
    export.put(path, export.get(path)[:-1])
    export.remake_manifest()

    assert names(report(export)) == {"file.last_newline"}


def test_manifest_without_its_last_newline_is_refused(export: Export) -> None:
    export.put("MANIFEST", export.get("MANIFEST")[:-1])

    assert names(report(export)) == {"file.last_newline"}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + b"\n",
        lambda text: text.replace(b"  ", b" ", 1),
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.upper(),
        lambda text: b"".join(reversed(text.splitlines(keepends=True))),
        lambda text: text.splitlines(keepends=True)[0] + text,
        lambda text: b"".join(sorted([*text.splitlines(keepends=True), HASH + b"  MANIFEST\n"])),
        lambda text: b"".join(sorted([*text.splitlines(keepends=True), HASH + b"  ../../etc/passwd\n"])),
        lambda text: b"".join(sorted([*text.splitlines(keepends=True), HASH + b"  /etc/passwd\n"])),
        lambda text: b"".join(sorted([*text.splitlines(keepends=True), HASH + b"  keys/./checkpoint\n"])),
        lambda text: b"".join(sorted([*text.splitlines(keepends=True), HASH + b"  keys//checkpoint\n"])),
        lambda text: b"".join(sorted([*text.splitlines(keepends=True), HASH + b"  keys\\checkpoint\n"])),
    ],
    ids=["empty line", "one space", "CRLF", "upper case", "unsorted", "a line twice", "itself", "leads out",
         "absolute", "a dot", "two slashes", "backslash"],
)  # fmt: skip
def test_manifest_has_one_form_only(export: Export, change: Callable[[bytes], bytes]) -> None:
    export.put("MANIFEST", change(export.get("MANIFEST")))

    assert "manifest.form" in names(report(export))


def test_a_line_of_manifest_that_is_gone_leaves_its_file_unnamed(export: Export) -> None:
    lines = export.get("MANIFEST").splitlines(keepends=True)
    export.put("MANIFEST", b"".join(line for line in lines if b"audit.vkey" not in line))

    assert names(report(export)) == {"file.unnamed"}


def test_a_link_is_never_followed(export: Export, tmp_path: Path) -> None:
    """Its target could change between two looks, or be any file of the auditor's."""
    events = export.folder / "keys/events.jsonl"
    events.rename(tmp_path / "elsewhere")
    events.symlink_to(tmp_path / "elsewhere")
    (export.folder / "records/more").symlink_to("/etc")

    found = {(one.name, one.where["file"]) for one in report(export).findings}
    assert {("file.unnamed", "keys/events.jsonl"), ("file.unnamed", "records/more")} <= found
    assert ("file.missing", "keys/events.jsonl") in found


def test_a_pipe_is_not_waited_for(export: Export) -> None:
    os.mkfifo(export.folder / "records/pipe")

    assert names(report(export)) == {"file.unnamed"}


def test_names_from_outside_cannot_steer_a_terminal(export: Export) -> None:
    export.put("records/\x1b[2Jcleared", b"\n")

    assert "\x1b" not in report(export).text()
    assert shown("a\x07\udcff") == "a\\x07\\udcff"


def test_a_signers_name_from_outside_cannot_steer_one_either(export: Export) -> None:
    """A right-to-left override would show the line below in another order."""
    twice = "— some\u202ebody AAAAAAA=\n" * 2
    export.put("records/checkpoint", (export.records.note(600) + twice).encode())

    text = report(export).text()
    assert "\u202e" not in text
    assert "some\\u202ebody" in text


def test_a_file_of_any_size_takes_little_memory(export: Export) -> None:
    """A sparse file costs whoever hands in the export nothing; a line may have no end, either."""
    export.put("records/events.jsonl", b"".join(line + b"\n" for line in export.lines("records")[:500]))
    for path in ("records/events.jsonl", "keys/checkpoint", "MANIFEST", "records/tile/0/000"):
        with (export.folder / path).open("r+b") as file:
            file.truncate(48 << 20)

    tracemalloc.start()
    try:
        found = names(report(export))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert {"file.altered", "note.form", "manifest.form", "tile.altered", "leaf.edited"} <= found
    assert peak < 40 << 20


@pytest.mark.parametrize("gone", ["MANIFEST", ""])
def test_what_is_no_export_cannot_be_read(export: Export, tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "nothing"
    if gone:
        (export.folder / gone).unlink()
        folder = export.folder

    with pytest.raises(UnreadableError):
        verify_export(folder, key_file())


def test_other_keys_in_the_export_than_the_auditor_holds_are_told(export: Export) -> None:
    export.put("audit.vkey", key_file().replace(b"retired", b"signing", 1))
    export.remake_manifest()

    assert names(report(export)) == {"key.differs"}


KEYS = key_file().splitlines(keepends=True)


def test_the_keys_of_two_vaults_are_not_used_together(export: Export) -> None:
    stranger = vkey(f"vault_service/{'cd' * 16}/records", key("records"), 1)[0].encode()
    ours = [line for line in KEYS if line.startswith((b"signing", b"cosigning"))]
    keys = [b"signing " + stranger + b"\n" if b"/records" in line else line for line in ours]

    with pytest.raises(UnreadableError, match="of one vault"):
        verify_export(export.folder, b"".join(keys))


@pytest.mark.parametrize(
    "keys",
    [
        b"",
        b"".join(KEYS)[:-1],
        b"".join(KEYS[1:]),
        b"".join(KEYS[:2]),
        b"".join([*KEYS, KEYS[0]]),
        b"".join(KEYS).replace(b"signing", b"Signing"),
        b"".join(KEYS).replace(b"+", b"+0", 1),
        b"".join(KEYS).replace(b"ab/records", b"ac/records"),
        b"".join(KEYS).replace(b"cosigning witness", b"signing witness"),
        b"".join(KEYS).replace(b"retired", b"cosigning"),
        b"".join(KEYS) + b"\n",
        b"\xff" + b"".join(KEYS),
        b"".join([*KEYS, b"cosigning " + vkey("\x1b[2Ksound", key("other"), 4)[0].encode() + b"\n"]),
        b"".join([*KEYS, b"cosigning " + vkey("own", key("records"), 4)[0].encode() + b"\n"]),
        b"".join([*KEYS, b"cosigning " + vkey("own", key("keys retired"), 4)[0].encode() + b"\n"]),
    ],
    ids=["empty", "no newline", "keys log unsigned", "records log unknown", "a key twice", "role", "key id",
         "two vaults", "witness signs", "type of key", "empty line", "not ASCII",
         "steers a terminal", "cosigns for itself", "cosigned for itself"],
)  # fmt: skip
def test_a_key_file_in_doubt_is_not_used(export: Export, keys: bytes) -> None:
    with pytest.raises(UnreadableError):
        verify_export(export.folder, keys)
