"""What was signed last is remembered in a file and in the database: rolling one of them back is no use."""

import fcntl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.kms.logs import Log
from tests.rig.postgres import TestDatabase
from vault_service.domain.audit_errors import HeadsDisagreeError, HeadsUnreadableError
from vault_service.domain.errors import UnavailableError
from vault_service.domain.logs import LogName, key_name
from vault_service.kms.kept import head_file
from vault_service.kms.kept.head import NOTHING_SIGNED, Head
from vault_service.kms.kept.head_file import HeadFile
from vault_service.kms.kept.heads import HeadKeeper
from vault_service.storage.pool import Database
from vault_service.tlog.note import ED25519, Note, Signature, VerifierKey, format_note

FINGERPRINT = "5a" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def head(size: int, *, log: LogName = "keys", generation: int = 1, what: str = "leaf") -> Head:
    """A signed head of a log of that many leaves."""
    name = key_name(FINGERPRINT, log)
    bare = Head(generation, size, Log().grow_to(size, what).root(), None)
    text = bare.checkpoint(name).body()
    key = VerifierKey(name, ED25519, KEY.public_key().public_bytes_raw())
    note = format_note(Note(text, (Signature(name, key.key_id, KEY.sign(text.encode())),)))
    return replace(bare, note=note)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path


def lines(state: Path) -> list[bytes]:
    return (state / "signed-heads").read_bytes().splitlines(keepends=True)


def remembered(state: Path, *heads: Head) -> HeadFile:
    """A process that has written these and ended; this is the next one."""
    file = HeadFile(state, FINGERPRINT)
    for each in heads:
        file.append("keys", each)
    return HeadFile(state, FINGERPRINT)


def test_the_file_gives_back_the_last_head_of_each_log_and_generation(state: Path) -> None:
    file = remembered(state, head(3), head(9), head(5, generation=2))
    file.append("records", head(7, log="records"))

    for reader in (file, HeadFile(state, FINGERPRINT)):
        assert reader.heads("keys") == {1: head(9), 2: head(5, generation=2)}
        assert reader.heads("records") == {1: head(7, log="records")}


def test_a_torn_last_line_is_a_head_that_never_left(state: Path) -> None:
    for cut in (1, 40, len(lines_of_two(state)[1]) - 1):
        first, second = lines_of_two(state)
        (state / "signed-heads").write_bytes(first + second[:cut])

        file = HeadFile(state, FINGERPRINT)
        assert file.heads("keys") == {1: head(3)}
        file.append("keys", head(20))

        assert HeadFile(state, FINGERPRINT).heads("keys") == {1: head(20)}
        assert len(lines(state)) == 2


def lines_of_two(state: Path) -> list[bytes]:
    (state / "signed-heads").unlink(missing_ok=True)
    remembered(state, head(3), head(9))
    return lines(state)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a bit that is not UTF-8": lambda line: b"\xff" + line[1:],
    "an empty line": lambda _: b"\n",
    "a size that the note does not say": lambda line: line.replace(b'"size":3', b'"size":4'),
    "another root": lambda line: line.replace(line.split(b'"root":"')[1][:2], b"00", 1),
    "another log's note": lambda line: line.replace(b'"log":"keys"', b'"log":"records"'),
    "another generation": lambda line: line.replace(b'"generation":1', b'"generation":2'),
    "two lines made one": lambda line: line.replace(b"}\n", b"}"),
    "a member more": lambda line: line.replace(b'"size"', b'"extra":1,"size"'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_not_read_and_nothing_is_appended_to_it(state: Path, damage: str) -> None:
    first, second = lines_of_two(state)
    broken = DAMAGE[damage](first) + second
    assert broken != first + second
    (state / "signed-heads").write_bytes(broken)
    file = HeadFile(state, FINGERPRINT)

    with pytest.raises(HeadsUnreadableError) as refused:
        file.heads("keys")
    with pytest.raises(HeadsUnreadableError):
        file.append("keys", head(20))

    assert "line 1 of" in refused.value.detail
    assert (state / "signed-heads").read_bytes() == broken


def test_a_line_that_goes_back_is_damage(state: Path) -> None:
    first, second = lines_of_two(state)
    for third in (first, second.replace(b'"size":9', b'"size":3')):
        (state / "signed-heads").write_bytes(first + second + third)
        with pytest.raises(HeadsUnreadableError, match="line 3"):
            HeadFile(state, FINGERPRINT).heads("keys")


def test_another_log_of_another_vault_is_damage(state: Path) -> None:
    remembered(state, head(3))
    with pytest.raises(HeadsUnreadableError):
        HeadFile(state, "00" * 32).heads("keys")


def test_a_file_that_has_grown_large_begins_anew_with_what_counts(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = remembered(state, head(3), head(5, generation=2))
    file.append("records", head(7, log="records"))
    monkeypatch.setattr(head_file, "MAX_BYTES", (state / "signed-heads").stat().st_size)

    file.append("keys", head(6, generation=2))

    assert len(lines(state)) == 3
    assert (state / "signed-heads.old").read_bytes().count(b"\n") == 4
    for reader in (file, HeadFile(state, FINGERPRINT)):
        assert reader.heads("keys") == {1: head(3), 2: head(6, generation=2)}
        assert reader.heads("records") == {1: head(7, log="records")}


# --- the file and the database together


@pytest.fixture
def db(keys_db: TestDatabase) -> Iterator[Database]:
    db = keys_db.open("vault_kms", size=3)
    yield db
    db.close()


@pytest.fixture
def keeper(db: Database, state: Path) -> HeadKeeper:
    return HeadKeeper(db, fingerprint=FINGERPRINT, state_dir=state)


def again(db: Database, state: Path) -> HeadKeeper:
    """As after a restart."""
    return HeadKeeper(db, fingerprint=FINGERPRINT, state_dir=state)


def remember(keeper: HeadKeeper, *heads: Head) -> None:
    for each in heads:
        with keeper.turn("keys", NOW) as turn:
            turn.remember(each, NOW)


def stored(keys_db: TestDatabase) -> list[tuple[object, ...]]:
    with keys_db.superuser() as conn:
        return conn.execute("SELECT log, generation, tree_size FROM signed_heads ORDER BY 1, 2").fetchall()


def test_before_the_first_head_nothing_is_remembered(keeper: HeadKeeper) -> None:
    assert keeper.last("keys") == NOTHING_SIGNED
    assert keeper.last("records") == NOTHING_SIGNED


def test_a_head_is_remembered_in_both_places(keeper: HeadKeeper, keys_db: TestDatabase, state: Path) -> None:
    remember(keeper, head(4), head(9))
    assert keeper.last("keys") == head(9)
    assert stored(keys_db) == [("keys", 1, 9)]
    assert HeadFile(state, FINGERPRINT).heads("keys") == {1: head(9)}


def test_a_turn_that_remembers_nothing_leaves_no_row(keeper: HeadKeeper, keys_db: TestDatabase) -> None:
    with keeper.turn("keys", NOW) as turn:
        assert turn.last == NOTHING_SIGNED
    with pytest.raises(ZeroDivisionError), keeper.turn("keys", NOW):
        raise ZeroDivisionError
    assert stored(keys_db) == []


def test_a_database_rolled_back_does_not_make_the_key_service_forget(
    keeper: HeadKeeper, keys_db: TestDatabase, db: Database, state: Path
) -> None:
    remember(keeper, head(4), head(9))
    with keys_db.superuser() as conn:
        conn.execute("UPDATE signed_heads SET tree_size = 4, note = %s", (head(4).note,))
        assert again(db, state).last("keys") == head(9)
        conn.execute("DELETE FROM signed_heads")
    assert again(db, state).last("keys") == head(9)


def test_a_file_rolled_back_or_lost_does_not_make_the_key_service_forget(
    keeper: HeadKeeper, db: Database, state: Path
) -> None:
    remember(keeper, head(4))
    before = (state / "signed-heads").read_bytes()
    remember(keeper, head(9))

    (state / "signed-heads").write_bytes(before)
    assert keeper.last("keys") == again(db, state).last("keys") == head(9)
    (state / "signed-heads").unlink()
    assert keeper.last("keys") == again(db, state).last("keys") == head(9)

    remember(keeper, head(12))
    assert HeadFile(state, FINGERPRINT).heads("keys") == {1: head(12)}


def test_two_heads_of_one_size_are_believed_by_nobody(
    keeper: HeadKeeper, keys_db: TestDatabase, db: Database, state: Path
) -> None:
    remember(keeper, head(9))
    with keys_db.superuser() as conn:
        conn.execute("UPDATE signed_heads SET note = %s", (head(9, what="other").note,))

    for each in (keeper, again(db, state)):
        with pytest.raises(HeadsDisagreeError):
            each.last("keys")
        with pytest.raises(HeadsDisagreeError), each.turn("keys", NOW):
            pass


@pytest.mark.parametrize(
    ("size", "note"),
    [
        (12, head(12, log="records").note),  # of the other log
        (12, head(12, generation=2).note),  # of another generation
        (15, head(12).note),  # a size that the note does not say
        (12, "no note"),
    ],
)
def test_a_row_that_is_none_of_the_log_is_refused(
    keeper: HeadKeeper, keys_db: TestDatabase, size: int, note: str
) -> None:
    remember(keeper, head(9))
    with keys_db.superuser() as conn:
        conn.execute("UPDATE signed_heads SET tree_size = %s, note = %s", (size, note))
    with pytest.raises(HeadsDisagreeError):
        keeper.last("keys")


def test_a_head_that_did_not_reach_the_file_is_not_in_the_database_either(
    keeper: HeadKeeper, keys_db: TestDatabase, state: Path
) -> None:
    """The state folder is away, as when its disk is full or gone: the signature must not leave."""
    remember(keeper, head(4))
    away = state.rename(state.with_name("away"))
    with pytest.raises(UnavailableError):
        remember(keeper, head(9))
    away.rename(state)
    assert stored(keys_db) == [("keys", 1, 4)]
    assert keeper.last("keys") == head(4)


def test_a_head_that_reached_only_the_file_counts(
    keeper: HeadKeeper, keys_db: TestDatabase, db: Database, state: Path
) -> None:
    """As when the process or the database dies between the two."""
    remember(keeper, head(4))
    with keys_db.superuser() as conn:
        conn.execute("REVOKE UPDATE ON signed_heads FROM vault_kms")
        conn.execute("REVOKE UPDATE (tree_size, note, signed_at) ON signed_heads FROM vault_kms")
        conn.execute("GRANT UPDATE (signed_at) ON signed_heads TO vault_kms")
    with pytest.raises(UnavailableError):
        remember(keeper, head(9))

    assert stored(keys_db) == [("keys", 1, 4)]
    assert again(db, state).last("keys") == head(9)


def test_while_another_process_signs_nobody_else_does(keeper: HeadKeeper, state: Path) -> None:
    remember(keeper, head(4))
    with (state / "signed-heads.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UnavailableError):
            remember(keeper, head(9))
    remember(keeper, head(9))


def test_while_another_host_signs_nobody_else_does(
    keeper: HeadKeeper, keys_db: TestDatabase, db: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also before the first head, when there is no row yet."""
    other_host = again(db, tmp_path_factory.mktemp("other-host"))
    with keeper.turn("keys", NOW) as turn:
        with pytest.raises(UnavailableError), other_host.turn("keys", NOW):
            raise AssertionError("both have the turn")
        turn.remember(head(4), NOW)
    assert other_host.last("keys") == head(4)


def test_a_new_generation_begins_with_the_tree_that_was_accepted(
    keeper: HeadKeeper, keys_db: TestDatabase, db: Database, state: Path
) -> None:
    """What was given up stays in the database: whoever verifies the log must find it."""
    remember(keeper, head(9))
    with keys_db.superuser() as conn:
        conn.execute("DELETE FROM signed_heads")  # the restored database is older than the first head
    accepted = Head(2, 5, Log().grow_to(5).root(), None)

    with keeper.turn("keys", NOW) as turn:
        turn.give_up(NOW)
        assert turn.begin_generation(accepted.size, accepted.root) == accepted

    assert stored(keys_db) == [("keys", 1, 9)]
    for each in (keeper, again(db, state)):
        assert each.last("keys") == accepted
    remember(keeper, head(6, generation=2))
    assert stored(keys_db) == [("keys", 1, 9), ("keys", 2, 6)]


def accepted_at(keeper: HeadKeeper, size: int) -> Head:
    with keeper.turn("keys", NOW) as turn:
        return turn.begin_generation(size, Log().grow_to(size).root())


def test_a_generation_that_signed_nothing_begins_elsewhere_when_another_backup_is_accepted(
    keeper: HeadKeeper, db: Database, state: Path
) -> None:
    """Given up, it would leave no head by which a verifier could tell what it was."""
    remember(keeper, head(9))
    accepted_at(keeper, 5)

    begun = accepted_at(keeper, 3)

    assert (begun.generation, begun.size) == (2, 3)
    assert again(db, state).last("keys") == begun
    remember(keeper, head(4, generation=2))
    assert accepted_at(again(db, state), 2).generation == 3, "a signed one is given up"


def test_a_rolled_back_file_moves_no_generation_that_has_signed(
    keeper: HeadKeeper, db: Database, state: Path
) -> None:
    remember(keeper, head(9))
    accepted_at(keeper, 5)
    rolled_back = (state / "signed-heads").read_bytes()
    accepted_at(keeper, 3)
    remember(keeper, head(4, generation=2))
    (state / "signed-heads").write_bytes(rolled_back)

    assert accepted_at(again(db, state), 2).generation == 3


def test_heads_that_a_restored_database_has_lost_come_back_with_the_next_one(
    keeper: HeadKeeper, keys_db: TestDatabase
) -> None:
    """Of either log: whoever verifies it looks in the database for what was given up."""
    remember(keeper, head(9))
    accepted_at(keeper, 5)
    remember(keeper, head(6, generation=2))
    with keys_db.superuser() as conn:
        conn.execute("DELETE FROM signed_heads")

    remember(keeper, head(7, generation=2))

    assert stored(keys_db) == [("keys", 1, 9), ("keys", 2, 7)]
