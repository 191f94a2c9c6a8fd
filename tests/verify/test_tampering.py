"""Whoever has all rights on a database can change the log, but not so that the verifier overlooks it."""

import base64
import json
from collections.abc import Callable

import pytest

from tests.verify.exports import Export, Log, event, key, leaf
from tests.verify.verifying import Found, found, names, report

pytestmark = pytest.mark.slow

Lines = list[bytes]
Change = Callable[[Lines], Lines]
Case = tuple[str, Change, Found]
LAST = 599
STRANGER = leaf(event("accesses_read", 12_345))


def edit(at: int) -> Change:
    return lambda lines: [*lines[:at], lines[at].replace(b'"n":1', b'"n":2'), *lines[at + 1 :]]


def delete(first: int, last: int) -> Change:
    return lambda lines: lines[:first] + lines[last + 1 :]


def insert(at: int, line: bytes = STRANGER) -> Change:
    return lambda lines: [*lines[:at], line, *lines[at:]]


def swap(one: int, other: int) -> Change:
    def swapped(lines: Lines) -> Lines:
        lines[one], lines[other] = lines[other], lines[one]
        return lines

    return swapped


def move(old: int, new: int) -> Change:
    def moved(lines: Lines) -> Lines:
        lines.insert(new, lines.pop(old))
        return lines

    return moved


def hole(at: int) -> Change:
    return lambda lines: [*lines[:at], b"null", *lines[at + 1 :]]


def one(name: str, change: Change, finding: str, first: int, last: int | None = None) -> Case:
    return name, change, {(finding, first, first if last is None else last)}


# What was done, what the verifier calls it and where. 255 and 256: at the edge of a tile and of a checkpoint.
TAMPERINGS: list[Case] = [
    *(one(f"edit {at}", edit(at), "leaf.edited", at) for at in (0, 99, 100, 255, 256, 300, LAST)),
    *(one(f"a hole at {at}", hole(at), "leaf.missing", at) for at in (0, 255, 256, LAST)),
    *(one(f"insert at {at}", insert(at), "leaf.inserted", at) for at in (0, 100, 256, 300, LAST, LAST + 1)),
    one("delete the first", delete(0, 0), "leaf.deleted", 0),
    one("cut off the start", delete(0, 41), "leaf.deleted", 0, 41),
    one("delete before a checkpoint", delete(99, 99), "leaf.deleted", 99),
    one("delete after a checkpoint", delete(100, 100), "leaf.deleted", 100),
    one("cut out the middle", delete(250, 420), "leaf.deleted", 250, 420),
    one("cut off the end", delete(590, LAST), "log.truncated", 590, LAST),
    one("cut off the last", delete(LAST, LAST), "log.truncated", LAST),
    one("cut off after a checkpoint", delete(400, LAST), "log.truncated", 400, LAST),
    one("cut off everything", delete(0, LAST), "log.truncated", 0, LAST),
    one("insert a copy", lambda lines: insert(300, lines[7])(lines), "leaf.inserted", 300),
    one("append a copy", lambda lines: [*lines, lines[7]], "leaf.inserted", LAST + 1),
    one("swap neighbours", swap(7, 8), "leaf.reordered", 8),
    one("swap across a checkpoint", swap(99, 100), "leaf.reordered", 100),
    one("move to the end", move(50, LAST), "leaf.reordered", 50),
    one("spaces", lambda lines: [lines[0].replace(b":", b": "), *lines[1:]], "leaf.edited", 0),
    one("carriage returns", lambda lines: [line + b"\r" for line in lines], "leaf.edited", 0, LAST),
    one("an empty line", insert(5, b""), "leaf.inserted", 5),
    ("swap two far apart", swap(3, 500), {("leaf.reordered", 3, 3), ("leaf.reordered", 500, 500)}),
    (
        "two edits",
        lambda lines: edit(3)(edit(480)(lines)),
        {("leaf.edited", 3, 3), ("leaf.edited", 480, 480)},
    ),
    (
        "delete and edit",
        lambda lines: delete(9, 9)(edit(20)(lines)),
        {("leaf.deleted", 9, 9), ("leaf.edited", 20, 20)},
    ),
    (
        "delete one, insert one",
        lambda lines: insert(400)(delete(9, 9)(lines)),
        {("leaf.deleted", 9, 9), ("leaf.inserted", 400, 400)},
    ),
    (
        "insert a copy and edit",
        lambda lines: insert(5, lines[300])(edit(590)(lines)),
        {("leaf.inserted", 5, 5), ("leaf.edited", 590, 590)},
    ),
    (
        "a hole and an edit",
        lambda lines: hole(9)(edit(20)(lines)),
        {("leaf.missing", 9, 9), ("leaf.edited", 20, 20)},
    ),
]
CASES = pytest.mark.parametrize(
    ("change", "expected"), [case[1:] for case in TAMPERINGS], ids=[case[0] for case in TAMPERINGS]
)


def test_a_sound_export_is_sound(export: Export) -> None:
    seen = report(export)

    assert (seen.findings, seen.notices) == ([], [])
    assert len(seen.sound) == 2


@CASES
def test_changed_events_are_named_although_manifest_was_remade(
    export: Export, change: Change, expected: Found
) -> None:
    export.set_lines("records", change(export.lines("records")))

    assert found(report(export)) == expected


@CASES
def test_changed_events_are_found_when_the_tree_was_remade_too(
    export: Export, change: Change, expected: Found
) -> None:
    """Without the signing key the checkpoints stay, and no longer agree."""
    export.set_lines("records", change(export.lines("records")), tiles_too=True)

    assert names(report(export)) & {"log.rewritten", "log.truncated", "leaf.inserted", "leaf.missing"}


@pytest.mark.parametrize(
    ("change", "good", "bad"),
    [(edit(7), 0, 100), (edit(100), 100, 256), (delete(256, 256), 256, 400), (swap(401, 500), 400, 600)],
)
def test_a_remade_tree_is_called_rewritten_between_two_checkpoints(
    export: Export, change: Change, good: int, bad: int
) -> None:
    export.set_lines("records", change(export.lines("records")), tiles_too=True)

    assert ("log.rewritten", good, bad - 1) in found(report(export))
    (one,) = [one for one in report(export).findings if one.name == "log.rewritten"]
    assert one.where["size"] == bad


def test_events_whose_manifest_was_not_remade_are_an_altered_file_as_well(export: Export) -> None:
    export.put("records/events.jsonl", b"\n".join(edit(7)(export.lines("records"))) + b"\n")

    assert names(report(export)) == {"file.altered", "leaf.edited"}


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
@pytest.mark.parametrize(
    "change",
    [lambda tile: tile[:-1] + bytes([tile[-1] ^ 1]), lambda tile: tile[:-32], lambda tile: tile + bytes(32)],
)
def test_an_altered_tile_beside_sound_events_is_named(
    export: Export, path: str, change: Callable[[bytes], bytes]
) -> None:
    export.put(f"records/{path}", change(export.get(f"records/{path}")))
    export.remake_manifest()

    (one,) = report(export).findings
    assert (one.name, one.where["file"]) == ("tile.altered", f"records/{path}")


def test_a_missing_tile_is_missing_and_its_events_are_sound(export: Export) -> None:
    (export.folder / "records/tile/0/001").unlink()
    export.remake_manifest()

    (one,) = report(export).findings
    assert (one.name, one.where["file"]) == ("file.missing", "records/tile/0/001")


def test_events_and_only_the_lowest_tiles_remade_are_a_rewritten_log(export: Export) -> None:
    lines = edit(7)(export.lines("records"))
    upper = export.get("records/tile/1/000.p/2")
    export.set_lines("records", lines, tiles_too=True)
    export.put("records/tile/1/000.p/2", upper)
    export.remake_manifest()

    (one,) = report(export).findings
    assert (one.name, one.where["size"]) == ("log.rewritten", 100)
    assert "tile/1/000.p/2" in one.what


def test_events_and_tiles_changed_in_different_places_are_both_found(export: Export) -> None:
    tile = export.get("records/tile/0/001")
    export.put("records/tile/0/001", bytes(32) + tile[32:])
    export.set_lines("records", edit(7)(export.lines("records")))

    assert {("leaf.edited", 7, 7), ("log.rewritten", 256, 399)} <= found(report(export))


def test_a_signed_size_that_nothing_here_can_hold_ends_at_once(export: Export) -> None:
    """Whoever holds the signing key could else keep the auditor's machine busy for years."""
    log = export.records
    note = log.signed(f"{log.origin}\n{2**62}\n{base64.b64encode(bytes(32)).decode()}\n")
    export.put("records/checkpoint", note.encode())
    export.remake_manifest()

    assert [(one.name, one.where["size"]) for one in report(export).findings] == [("log.truncated", 2**62)]


def shortened(export: Export, size: int) -> Export:
    """Leaves, tiles and checkpoints after this size removed, as if they had never been."""
    log = export.records
    cut = Log("records", log.leaves[:size], [one for one in log.sizes if one <= size], held=log.held)
    return Export(export.folder, export.keys, cut)


def test_a_log_cut_off_with_its_checkpoints_is_shown_by_the_head_that_others_remember(export: Export) -> None:
    cut = shortened(export, 400)
    cut.write()

    assert found(report(cut)) == {("log.truncated", 400, LAST)}


def test_a_log_cut_off_with_every_memory_of_it_is_shown_by_a_checkpoint_that_the_auditor_kept(
    export: Export,
) -> None:
    kept = export.records.note(500)
    cut = shortened(export, 400)
    cut.records.held = []
    cut.write()

    assert not report(cut).findings
    assert found(report(cut, held={"kept": kept})) == {("log.truncated", 400, 499)}


def test_a_kept_checkpoint_that_was_not_reached_is_not_called_contained(export: Export) -> None:
    kept = export.records.note(500)
    export.set_lines("records", export.lines("records")[:300], tiles_too=True)

    seen = report(export, held={"kept": kept})

    assert "log.truncated" in names(seen)
    assert "that you brought" not in seen.text()


def test_a_kept_checkpoint_that_the_log_contains_is_no_finding(export: Export) -> None:
    held = {"a": export.records.note(333), "b": export.keys.note(7), "c": export.records.note(600)}

    assert not report(export, held=held).findings


def test_of_two_copies_that_went_on_apart_each_forks_from_the_other(export: Export) -> None:
    """Even the log's own key signing both does not hide it from somebody who kept a checkpoint."""
    ours = export.records
    theirs = Log(
        "records",
        [*ours.leaves[:450], *(leaf(event("accesses_read", 5000 + n)) for n in range(150))],
        ours.sizes,
    )

    seen = report(export, held={"theirs": theirs.note(500)})

    (one,) = seen.findings
    assert (one.name, one.where) == ("log.fork", {"size": 500, "file": "theirs"})
    theirs.held = [ours.note(600)]
    other = Export(export.folder, export.keys, theirs)
    other.write()
    (one,) = report(other).findings
    assert (one.name, one.where["size"]) == ("log.fork", 600)


def test_a_fork_in_the_sound_part_of_a_rewritten_log_is_named_too(export: Export) -> None:
    """A checkpoint that the rewriting explains is the same finding; one from before it is another."""
    ours = export.records
    theirs = Log("records", edit(7)(list(ours.leaves)), [])
    export.set_lines("records", edit(450)(export.lines("records")), tiles_too=True)

    seen = report(export, held={"before": theirs.note(300), "explained": ours.note(500)})

    assert [(one.name, one.where["size"]) for one in seen.findings] == [
        ("log.rewritten", 600), ("log.fork", 300),
    ]  # fmt: skip


def test_a_saved_checkpoint_of_another_history_is_a_fork(export: Export) -> None:
    ours = export.records
    theirs = Log("records", edit(7)(list(ours.leaves)), [])
    saved = export.get("records/checkpoints.jsonl").splitlines(keepends=True)
    saved[1] = json.dumps(theirs.note(256)).encode() + b"\n"
    export.put("records/checkpoints.jsonl", b"".join(saved))
    export.remake_manifest()

    (one,) = report(export).findings
    assert (one.name, one.where) == ("log.fork", {"size": 256})


def test_everything_remade_by_somebody_without_the_key_fails_at_the_signature(export: Export) -> None:
    log = Log("records", edit(7)(list(export.records.leaves)), export.records.sizes)
    log.signer = key("somebody else")
    log.cosigned = False
    Export(export.folder, export.keys, log).write()

    assert "note.signature" in names(report(export))


def test_everything_remade_with_both_keys_is_found_by_a_kept_checkpoint_alone(export: Export) -> None:
    kept = export.records.note(400)
    log = Log("records", edit(7)(list(export.records.leaves)), export.records.sizes)
    forged = Export(export.folder, export.keys, log)
    forged.write()

    assert not report(forged).findings
    assert names(report(forged, held={"kept": kept})) == {"log.fork"}


def test_a_newest_checkpoint_that_the_list_does_not_end_with_is_refused(export: Export) -> None:
    export.put("records/checkpoint", export.records.note(599).encode())
    export.records.leaves, tiles = export.records.leaves, export.records.leaves[:599]
    export.remake_tiles("records", tiles)
    export.set_lines("records", tiles)

    assert {"note.form", "log.truncated"} <= names(report(export))


@pytest.mark.parametrize("remade", [False, True], ids=["", "manifest remade"])
def test_no_byte_of_events_tree_keys_or_head_changes_unnoticed(export: Export, remade: bool) -> None:
    paths = [path for path in export.folder.rglob("*") if path.is_file()]
    paths = [path for path in paths if path.name not in ("MANIFEST", "held.jsonl", "checkpoints.jsonl")]
    for path in paths:
        sound = path.read_bytes()
        for at in {0, 1, len(sound) // 3, len(sound) // 2, len(sound) - 2, len(sound) - 1}:
            path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
            if remade:
                export.remake_manifest()
            assert report(export).findings, (path, at)
        path.write_bytes(sound)
    assert len(paths) == 1 + 2 * 2 + 1 + 4  # keys, events and heads, the tiles of both logs


def test_very_many_findings_are_counted(export: Export) -> None:
    lines = export.lines("records")
    export.set_lines(
        "records", [line if n % 2 else line.replace(b'"n":1', b'"n":3') for n, line in enumerate(lines)]
    )

    seen = report(export)

    assert len(seen.findings) == 20
    assert seen.counts["leaf.edited", "records"] == 300
    assert "and 280 more" in seen.text()


def test_every_answer_says_what_was_found_where_and_what_to_do(export: Export) -> None:
    export.set_lines("records", edit(7)(export.lines("records")))

    text = report(export).text()

    assert "leaf.edited: records log, leaf 7" in text
    assert "found: " in text
    assert "do: " in text
