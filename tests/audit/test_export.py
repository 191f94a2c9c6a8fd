"""An export holds a sealed log as the database has it: whole, gone on with after a crash, never repaired."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.exporting import (
    Watched,
    content,
    export,
    export_meanwhile,
    lines,
    manifest_of,
    notes,
    root_of,
)
from tests.audit.sealed_log import SealedVault, sealed_vault
from tests.rig.postgres import TestDatabase, TestServer, fresh_database
from vault_service.audit.export_folder import ExportRefusedError
from vault_service.audit.export_source import NoCheckpointError
from vault_service.tlog.checkpoint import Checkpoint, parse_checkpoint
from vault_service.tlog.note import parse_note
from vault_service.tlog.tiles import all_tiles, path
from vault_service.verify.export import verify_export


def _three_checkpoints(keys: TestDatabase, records: TestDatabase) -> SealedVault:
    """Of the records log: 60, 330 and 600 leaves."""
    made = sealed_vault(keys, records)
    for sessions in (2, 9, 9):
        made.traffic(sessions, reads=29)
        made.seal()
    return made


@pytest.fixture(scope="module")
def sealed(postgres: TestServer) -> Iterator[SealedVault]:
    """For tests that do it no harm."""
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        yield _three_checkpoints(keys, records)


@pytest.fixture
def own(keys_db: TestDatabase, records_db: TestDatabase) -> SealedVault:
    """A test's own."""
    return _three_checkpoints(keys_db, records_db)


def checkpoint(folder: Path, log: str) -> Checkpoint:
    return parse_checkpoint(parse_note((folder / log / "checkpoint").read_bytes()).text)


def test_the_root_of_the_exported_lines_is_the_one_that_was_signed(
    sealed: SealedVault, tmp_path: Path
) -> None:
    done = export(sealed, tmp_path / "out")

    for log, size in (("keys", 20), ("records", 600)):
        leaves = lines(tmp_path / "out", f"{log}/events.jsonl")
        head = checkpoint(tmp_path / "out", log)
        assert (len(leaves), root_of(leaves)) == (head.size, head.root)
        assert head.size == size
    assert done.leaves == {"keys": 20, "records": 600}


def test_every_saved_checkpoint_is_there_and_the_newest_is_the_last(
    sealed: SealedVault, tmp_path: Path
) -> None:
    export(sealed, tmp_path / "out")

    saved = notes(tmp_path / "out", "records/checkpoints.jsonl")
    assert [parse_checkpoint(parse_note(note).text).size for note in saved] == [60, 330, 600]
    assert saved[-1] == (tmp_path / "out/records/checkpoint").read_text()


def test_the_tiles_are_those_of_the_newest_checkpoint_and_no_others(
    sealed: SealedVault, tmp_path: Path
) -> None:
    export(sealed, tmp_path / "out")

    written = {name: len(data) for name, data in content(tmp_path / "out").items() if "records/tile" in name}
    assert written == {f"records/{path(tile, width)}": 32 * width for tile, width in all_tiles(600)}


def test_the_manifest_is_what_anybody_can_make_of_the_files(sealed: SealedVault, tmp_path: Path) -> None:
    done = export(sealed, tmp_path / "out")

    assert (tmp_path / "out/MANIFEST").read_bytes() == manifest_of(tmp_path / "out")
    assert done.files == len(content(tmp_path / "out")) - 1


def test_nobody_else_can_read_an_export(sealed: SealedVault, tmp_path: Path) -> None:
    export(sealed, tmp_path / "out")

    for place, folders, files in os.walk(tmp_path / "out"):
        for name in (".", *folders, *files):
            assert stat.S_IMODE(Path(place, name).stat().st_mode) & 0o077 == 0


def test_an_export_made_again_is_the_one_that_was_made_at_once(own: SealedVault, tmp_path: Path) -> None:
    export(own, tmp_path / "first")
    own.traffic(sessions=6, reads=29)
    own.seal()
    export(own, tmp_path / "first")

    export(own, tmp_path / "second")
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_an_idle_log_whose_head_was_cosigned_anew_is_exported_with_the_newer_note(
    own: SealedVault, tmp_path: Path
) -> None:
    export(own, tmp_path / "out")
    newer = own.records.seal()
    export(own, tmp_path / "out")

    assert notes(tmp_path / "out", "records/checkpoints.jsonl")[2:] == [newer]


@pytest.mark.parametrize("kept", [0, 1, 700, 40_000])
def test_an_export_that_was_killed_goes_on_where_it_was(
    sealed: SealedVault, tmp_path: Path, kept: int
) -> None:
    """Whole lines stay, a torn one is cut off, what lost its name on the way is swept away."""
    export(sealed, tmp_path / "whole")
    export(sealed, tmp_path / "torn")
    torn = tmp_path / "torn/records"
    (tmp_path / "torn/MANIFEST").unlink()
    os.truncate(torn / "events.jsonl", kept)
    os.truncate(torn / "checkpoints.jsonl", min(kept, 700))
    (torn / "held.jsonl").rename(torn / "held.jsonl.new")
    (torn / path(next(iter(all_tiles(600)))[0])).unlink()

    export(sealed, tmp_path / "torn")

    assert content(tmp_path / "torn") == content(tmp_path / "whole")


def test_partial_tiles_of_an_older_size_are_removed(own: SealedVault, tmp_path: Path) -> None:
    export(own, tmp_path / "out")
    old = tmp_path / "out/records/tile/0/002.p/88"
    assert old.exists()
    own.traffic(sessions=1, reads=0)
    own.seal()

    export(own, tmp_path / "out")

    assert not old.exists()
    assert (tmp_path / "out/records/tile/0/002.p/89").exists()


def test_while_an_export_is_under_way_it_has_no_manifest(sealed: SealedVault, tmp_path: Path) -> None:
    class Looking(Watched):
        seen = True

        def progress(self, what: str, done: int, total: int) -> None:
            self.seen = (tmp_path / "out/MANIFEST").exists()

    export(sealed, tmp_path / "out")
    looking = Looking()
    export(sealed, tmp_path / "out", watcher=looking)

    assert not looking.seen


@pytest.mark.parametrize(
    "stranger", ["notes.txt", "records/events.jsonl.bak", "records/tile/0/2000", "other/events.jsonl", "keys"]
)
def test_a_folder_with_something_else_in_it_is_refused(
    sealed: SealedVault, tmp_path: Path, stranger: str
) -> None:
    place = tmp_path / "out" / stranger
    place.parent.mkdir(parents=True)
    place.write_text("mine")

    with pytest.raises(ExportRefusedError):
        export(sealed, tmp_path / "out")
    assert place.read_text() == "mine"


def test_a_link_in_the_folder_is_not_followed(sealed: SealedVault, tmp_path: Path) -> None:
    (tmp_path / "out/records").mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("stays")
    (tmp_path / "out/records/events.jsonl").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ExportRefusedError):
        export(sealed, tmp_path / "out")
    assert (tmp_path / "elsewhere").read_text() == "stays"


def test_the_export_of_another_vault_is_not_gone_on_with(sealed: SealedVault, tmp_path: Path) -> None:
    export(sealed, tmp_path / "out")
    keys = (tmp_path / "out/audit.vkey").read_text()
    (tmp_path / "out/audit.vkey").write_text(keys.replace("vault_service/5e", "vault_service/5f"))

    with pytest.raises(ExportRefusedError, match="another vault"):
        export(sealed, tmp_path / "out")


def test_an_export_is_not_gone_on_with_over_a_past_that_has_changed(own: SealedVault, tmp_path: Path) -> None:
    """It would mix two pasts, and the older one, which is evidence, would be lost in it."""
    export(own, tmp_path / "out")
    before = lines(tmp_path / "out", "records/events.jsonl")
    own.records.tamper(
        "UPDATE audit_events SET n = 7 "
        "WHERE event_id = (SELECT event_id FROM audit_leaves WHERE leaf_index = 599)"
    )

    with pytest.raises(ExportRefusedError, match="line 600 of records/events"):
        export(own, tmp_path / "out")
    assert lines(tmp_path / "out", "records/events.jsonl") == before


def test_a_log_without_a_checkpoint_is_said_to_have_none(
    keys_db: TestDatabase, records_db: TestDatabase, tmp_path: Path
) -> None:
    with pytest.raises(NoCheckpointError) as refused:
        export(sealed_vault(keys_db, records_db), tmp_path / "out")
    assert "records log" in refused.value.detail
    assert "Start both workers" in refused.value.remedy


def test_a_log_that_nobody_seals_is_exported_as_far_as_it_goes_with_a_warning(
    own: SealedVault, tmp_path: Path
) -> None:
    own.records.tamper("UPDATE audit_checkpoints SET covers_until = '2026-11-27T08:00Z'")
    watched = Watched()

    done = export(own, tmp_path / "out", watcher=watched)

    assert done.leaves["records"] == 600
    assert ["The records log is not being sealed" in warning for warning in watched.warnings] == [True]


def test_one_side_alone_can_be_exported(sealed: SealedVault, tmp_path: Path) -> None:
    export(sealed, tmp_path / "out", "records")

    assert {name.split("/")[0] for name in content(tmp_path / "out")} == {"MANIFEST", "audit.vkey", "records"}


def test_an_export_of_a_vault_that_never_rests_holds_no_session_without_its_unlock(
    own: SealedVault, tmp_path: Path
) -> None:
    """The records log's head is older than the keys log's: the other way round innocents are accused."""

    def happens() -> None:
        own.traffic(sessions=1, reads=0)
        own.seal()

    done = export_meanwhile(own, tmp_path / "out", happens)

    def unlocks(log: str, kind: str) -> set[str]:
        events = map(json.loads, lines(tmp_path / "out", f"{log}/events.jsonl"))
        return {event["unlock_id"] for event in events if event["kind"] == kind}

    assert done.leaves["keys"] > 20  # something did happen
    assert unlocks("records", "session_opened") <= unlocks("keys", "unlocked")


def test_an_export_of_a_vault_that_never_rests_is_not_shorter_than_what_others_remember(
    own: SealedVault, tmp_path: Path
) -> None:
    """Heads that others hold are read before the newest checkpoints: later ones would accuse the log."""

    def happens() -> None:
        own.traffic(sessions=1, reads=0)
        signed = own.keys.seal(), own.records.seal()
        with own.keys.db.superuser() as conn:
            conn.execute("DELETE FROM signed_heads")
            for log, note in zip(("keys", "records"), signed, strict=True):
                size = parse_checkpoint(parse_note(note).text).size
                conn.execute("INSERT INTO signed_heads VALUES (%s, 1, %s, %s, now())", [log, size, note])

    happens()
    export_meanwhile(own, tmp_path / "out", happens)

    report = verify_export(tmp_path / "out", own.keys.notary.key_file().encode())
    assert len(notes(tmp_path / "out", "records/held.jsonl")) == 1
    assert report.findings == []


def test_heads_that_others_remember_stand_beside_their_log(own: SealedVault, tmp_path: Path) -> None:
    notary = own.keys.notary
    of_keys, of_records = notary.note("keys", 5, b"k" * 32), notary.note("records", 9, b"r" * 32)
    with own.keys.db.superuser() as conn:
        conn.execute("INSERT INTO signed_heads VALUES ('records', 1, 9, %s, now())", [of_records])
    with own.records.db.superuser() as conn:
        conn.execute(
            "INSERT INTO witnessed_heads VALUES (%s, 5, %s, now())", [of_keys.split("\n")[0], of_keys]
        )

    export(own, tmp_path / "out")

    assert notes(tmp_path / "out", "keys/held.jsonl") == [of_keys]
    assert notes(tmp_path / "out", "records/held.jsonl") == [of_records]
