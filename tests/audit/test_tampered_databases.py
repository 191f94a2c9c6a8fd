"""A superuser alters a sealed log, triggers off: it is exported as it is, and the verifier names it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.audit.exporting import export, lines
from tests.audit.sealed_log import SealedLog, SealedVault, sealed_vault
from tests.rig.postgres import TestServer, copied_database, fresh_database
from vault_service.tlog import merkle, tiles
from vault_service.verify.export import verify_export
from vault_service.verify.findings import Report

# The records log has checkpoints at 60, 330 and 600 leaves; every thirtieth leaf opens a session.
PLACES = (0, 59, 60, 450, 599)


@pytest.fixture(scope="module")
def sound(postgres: TestServer) -> Iterator[SealedVault]:
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        made = sealed_vault(keys, records)
        for sessions in (2, 9, 9):
            made.traffic(sessions, reads=29)
            made.seal()
        yield made


@pytest.fixture
def vault(sound: SealedVault, postgres: TestServer) -> Iterator[SealedVault]:
    """The records database is a copy of the test's own."""
    with copied_database(postgres, "records", sound.records.db.name) as records:
        yield replace(sound, records=replace(sound.records, db=records))


def verified(vault: SealedVault, folder: Path, *held: str) -> Report:
    """Export it; verify with the key file that the auditor holds, and checkpoints that somebody kept."""
    export(vault, folder)
    notes = {f"held {number}": note.encode() for number, note in enumerate(held)}
    return verify_export(folder, vault.keys.notary.key_file().encode(), checkpoints=notes)


def names(report: Report) -> set[str]:
    return {finding.name for finding in report.findings}


def places(report: Report, name: str) -> list[int | str]:
    return [finding.where["index"] for finding in report.findings if finding.name == name]


def event_at(index: int) -> str:
    return f"(SELECT event_id FROM audit_leaves WHERE leaf_index = {index})"


def shift(records: SealedLog, first: int, by: int) -> None:
    """Move all leaves from `first` on; in two steps, since no two may share an index."""
    records.tamper(
        f"UPDATE audit_leaves SET leaf_index = leaf_index + 1000000 WHERE leaf_index >= {first}",
        f"UPDATE audit_leaves SET leaf_index = leaf_index - 1000000 + {by} WHERE leaf_index >= 1000000",
    )


def test_a_log_that_nobody_touched_is_sound(vault: SealedVault, tmp_path: Path) -> None:
    report = verified(vault, tmp_path / "out")

    assert report.findings == []
    assert len(report.sound) == 2


@pytest.mark.parametrize("index", PLACES)
def test_an_edited_event_is_named(vault: SealedVault, tmp_path: Path, index: int) -> None:
    vault.records.tamper(f"UPDATE audit_events SET app_id = NULL WHERE event_id = {event_at(index)}")

    report = verified(vault, tmp_path / "out")

    assert (names(report), places(report, "leaf.edited")) == ({"leaf.edited"}, [index])


@pytest.mark.parametrize(
    ("index", "with_leaf"), [(0, False), (59, True), (60, False), (599, False), (599, True)]
)
def test_an_event_that_is_gone_leaves_a_hole(
    vault: SealedVault, tmp_path: Path, index: int, with_leaf: bool
) -> None:
    vault.records.tamper(f"DELETE FROM audit_events WHERE event_id = {event_at(index)}")
    if with_leaf:
        vault.records.tamper(f"DELETE FROM audit_leaves WHERE leaf_index = {index}")

    report = verified(vault, tmp_path / "out")

    if with_leaf and index == 599:  # nothing stands after it: there is no hole to see
        assert names(report) == {"log.truncated"}
    else:
        assert (names(report), places(report, "leaf.missing")) == ({"leaf.missing"}, [index])


@pytest.mark.parametrize("index", [0, 59, 60, 450])
def test_an_event_that_is_cut_out_is_named(vault: SealedVault, tmp_path: Path, index: int) -> None:
    vault.records.tamper(f"DELETE FROM audit_leaves WHERE leaf_index = {index}")
    shift(vault.records, index + 1, by=-1)

    report = verified(vault, tmp_path / "out")

    assert (names(report), places(report, "leaf.deleted")) == ({"leaf.deleted"}, [index])


@pytest.mark.parametrize("index", [0, 59, 60, 450])
def test_an_event_that_is_slipped_in_is_named(vault: SealedVault, tmp_path: Path, index: int) -> None:
    shift(vault.records, index, by=1)
    vault.records.tamper(
        """INSERT INTO audit_events (user_id, event_id, kind, at)
           VALUES (gen_random_uuid(), '00000000-0000-4000-8000-000000000000', 11, '2026-11-27T09:00Z')""",
        f"""INSERT INTO audit_leaves SELECT {index}, user_id, event_id FROM audit_events
           WHERE event_id = '00000000-0000-4000-8000-000000000000'""",
    )

    report = verified(vault, tmp_path / "out")

    assert "leaf.inserted" in names(report)
    assert names(report) <= {"leaf.inserted", "log.truncated"}  # one line more, and the head's size as it was
    assert places(report, "leaf.inserted") == [index]


@pytest.mark.parametrize(("one", "other"), [(0, 1), (59, 60), (200, 599)])
def test_events_that_changed_places_are_named(
    vault: SealedVault, tmp_path: Path, one: int, other: int
) -> None:
    vault.records.tamper(
        f"UPDATE audit_leaves SET leaf_index = 1000 WHERE leaf_index = {one}",
        f"UPDATE audit_leaves SET leaf_index = {one} WHERE leaf_index = {other}",
        f"UPDATE audit_leaves SET leaf_index = {other} WHERE leaf_index = 1000",
    )

    report = verified(vault, tmp_path / "out")

    assert names(report) == {"leaf.reordered"}
    assert set(places(report, "leaf.reordered")) <= {one, other}


def test_a_log_cut_off_at_its_start_is_named(vault: SealedVault, tmp_path: Path) -> None:
    vault.records.tamper("DELETE FROM audit_leaves WHERE leaf_index < 100")
    shift(vault.records, 100, by=-100)

    assert names(verified(vault, tmp_path / "out")) == {"leaf.deleted"}


def test_a_log_cut_out_in_the_middle_is_named(vault: SealedVault, tmp_path: Path) -> None:
    vault.records.tamper("DELETE FROM audit_leaves WHERE leaf_index BETWEEN 200 AND 399")
    shift(vault.records, 400, by=-200)

    assert names(verified(vault, tmp_path / "out")) == {"leaf.deleted"}


@pytest.mark.parametrize("kept", [599, 330, 0])
def test_a_log_cut_off_at_its_end_is_named(vault: SealedVault, tmp_path: Path, kept: int) -> None:
    vault.records.tamper(f"DELETE FROM audit_leaves WHERE leaf_index >= {kept}")

    assert names(verified(vault, tmp_path / "out")) == {"log.truncated"}


def cut_back_to_a_checkpoint(records: SealedLog, size: int) -> None:
    """Leaves, tiles and checkpoints alike, as if the rest had never been."""
    with records.db.superuser() as conn:
        rows = conn.execute("SELECT e.event_id FROM audit_leaves e WHERE leaf_index >= %s", [size]).fetchall()
    records.tamper(
        f"DELETE FROM audit_leaves WHERE leaf_index >= {size}",
        f"DELETE FROM audit_checkpoints WHERE tree_size > {size}",
        f"UPDATE audit_tree SET size = {size}",
    )
    with records.db.superuser() as conn:
        conn.execute("DELETE FROM audit_events WHERE event_id = ANY(%s)", [[row[0] for row in rows]])


def test_a_log_that_is_cut_back_to_a_checkpoint_shows_to_whoever_remembers_a_later_one(
    vault: SealedVault, tmp_path: Path
) -> None:
    newest = export_note(vault, tmp_path / "before")
    cut_back_to_a_checkpoint(vault.records, 330)

    assert names(verified(vault, tmp_path / "out", newest)) == {"log.truncated"}


def test_a_log_that_is_cut_back_to_a_checkpoint_shows_by_what_the_key_service_remembers(
    vault: SealedVault, tmp_path: Path, postgres: TestServer
) -> None:
    newest = export_note(vault, tmp_path / "before")
    with copied_database(postgres, "keys", vault.keys.db.name) as keys:
        with keys.superuser() as conn:
            conn.execute("INSERT INTO signed_heads VALUES ('records', 1, 600, %s, now())", [newest])
        cut_back_to_a_checkpoint(vault.records, 330)

        report = verified(replace(vault, keys=replace(vault.keys, db=keys)), tmp_path / "out")

    assert names(report) == {"log.truncated"}


def export_note(vault: SealedVault, folder: Path) -> str:
    export(vault, folder)
    return (folder / "records/checkpoint").read_text()


@pytest.mark.parametrize("index", [0, 60, 599])
def test_events_and_tree_remade_without_the_key_are_named_by_the_checkpoints(
    vault: SealedVault, tmp_path: Path, index: int
) -> None:
    """What agrees with itself, but not with what was signed."""
    vault.records.tamper(f"UPDATE audit_events SET n = 3 WHERE event_id = {event_at(index)}")
    export(vault, tmp_path / "look")
    hashes = [merkle.leaf_hash(line) for line in lines(tmp_path / "look", "records/events.jsonl")]
    _, remade = tiles.appended(lambda _: {}, 0, hashes)
    with vault.records.db.superuser() as conn:
        for tile, content in remade.items():
            conn.execute(
                "UPDATE audit_tiles SET hashes = %s WHERE level = %s AND tile_index = %s",
                [content, tile.level, tile.index],
            )

    assert names(verified(vault, tmp_path / "out")) == {"log.rewritten"}


def test_two_copies_that_went_on_apart_are_a_fork(
    vault: SealedVault, tmp_path: Path, postgres: TestServer
) -> None:
    """Each is sound by itself; whoever holds a checkpoint of the one is not taken in by the other."""
    with (
        copied_database(postgres, "records", vault.records.db.name) as records,
        copied_database(postgres, "keys", vault.keys.db.name) as keys,
    ):
        one = replace(vault, keys=replace(vault.keys, db=keys))
        other = replace(one, records=replace(vault.records, db=records))
        one.traffic(sessions=1, reads=29)
        one.seal()
        with records.superuser() as conn:
            conn.execute(
                """INSERT INTO audit_events (user_id, event_id, kind, at, session_id, unlock_id)
                   SELECT user_id, gen_random_uuid(), 11, at, session_id, unlock_id
                   FROM audit_events LIMIT 30"""
            )
        other.records.seal()
        note = export_note(other, tmp_path / "other")

        alone, together = verified(one, tmp_path / "one"), verified(one, tmp_path / "one", note)

    assert alone.findings == []
    assert names(together) == {"log.fork"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_tiles SET hashes = repeat('x', 32)::bytea WHERE level = 1",
        "UPDATE audit_tiles SET hashes = substring(hashes FOR 64) WHERE level = 0 AND tile_index = 1",
        "DELETE FROM audit_tiles WHERE level = 0 AND tile_index = 0",
        "DELETE FROM audit_tiles",
    ],
)
def test_a_tree_that_was_altered_beside_its_events_is_named(
    vault: SealedVault, tmp_path: Path, statement: str
) -> None:
    vault.records.tamper(statement)

    assert names(verified(vault, tmp_path / "out")) & {"tile.altered", "file.missing"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET at = 'infinity' WHERE event_id = " + event_at(7),
        "UPDATE audit_events SET at = '-infinity' WHERE event_id = " + event_at(7),
        "UPDATE audit_events SET at = '4000-01-01 BC' WHERE event_id = " + event_at(7),
        "UPDATE audit_events SET at = '12345-01-01' WHERE event_id = " + event_at(7),
        "UPDATE audit_events SET kind = 999 WHERE event_id = " + event_at(7),
        "UPDATE audit_events SET n = -2147483648 WHERE event_id = " + event_at(7),
        "ALTER TABLE audit_events ALTER kind DROP NOT NULL, ALTER at DROP NOT NULL, ALTER n DROP NOT NULL;"
        "UPDATE audit_events SET kind = NULL, at = NULL, n = NULL WHERE event_id = " + event_at(7),
        "UPDATE audit_leaves SET leaf_index = 900000000000 WHERE leaf_index = 599",
        (  # and a checkpoint to match: an auditor's disk would be full of holes
            "UPDATE audit_leaves SET leaf_index = 900000000000 WHERE leaf_index = 599;"
            "INSERT INTO audit_checkpoints VALUES (9000000000000, 'no note', now())"
        ),
        "UPDATE audit_leaves SET leaf_index = 9223372036854775806 WHERE leaf_index = 7",
        (
            "ALTER TABLE audit_leaves DROP CONSTRAINT audit_leaves_pkey;"
            "UPDATE audit_leaves SET leaf_index = 7 WHERE leaf_index = 8"
        ),
        "INSERT INTO audit_checkpoints VALUES (9223372036854775807, 'no note', 'infinity')",
        "INSERT INTO audit_checkpoints VALUES (700, E'a\\n99\\n\\u2028\\n', now())",
        (
            "ALTER TABLE audit_checkpoints DROP CONSTRAINT audit_checkpoints_tree_size_check;"
            "DELETE FROM audit_checkpoints; INSERT INTO audit_checkpoints VALUES (-5, '', '-infinity')"
        ),
        (
            "ALTER TABLE audit_checkpoints ALTER covers_until DROP NOT NULL, ALTER note DROP NOT NULL;"
            "UPDATE audit_checkpoints SET covers_until = NULL, note = NULL"
        ),
        (
            "ALTER TABLE audit_tiles DROP CONSTRAINT audit_tiles_hashes_check, ALTER hashes DROP NOT NULL;"
            "UPDATE audit_tiles SET hashes = NULL"
        ),
        "INSERT INTO witnessed_heads VALUES ('nobody', 5, 'no note', now())",
        (
            "ALTER TABLE witnessed_heads DROP CONSTRAINT witnessed_heads_pkey, ALTER origin DROP NOT NULL,"
            " ALTER note DROP NOT NULL; INSERT INTO witnessed_heads VALUES (NULL, 5, NULL, now())"
        ),
        (
            "ALTER TABLE audit_events ALTER n TYPE numeric;"
            "UPDATE audit_events SET n = 'NaN' WHERE event_id = " + event_at(7)
        ),
        "TRUNCATE audit_leaves",
        "TRUNCATE audit_events CASCADE",
        "TRUNCATE audit_tree",
    ],
)
def test_whatever_was_put_into_the_tables_it_is_exported_and_not_found_sound(
    vault: SealedVault, tmp_path: Path, statement: str
) -> None:
    vault.records.tamper(*statement.split(";"))

    report = verified(vault, tmp_path / "out")

    assert report.findings or statement == "TRUNCATE audit_tree"  # which is not exported
    export(vault, tmp_path / "out")  # and again in the same place
