"""The database or the ceremony folder put back to an earlier day: the other knows the newer PIN."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ceremony.killed import run
from tests.ceremony.logins import counted_logins
from tests.ceremony.pins import Escrow
from tests.rig.vault import Vault
from vault_service.ceremony.bundle import read_bundle
from vault_service.ceremony.escrow_token import EscrowPinRefusedError
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.recovery_errors import PinUnknownError

Tables = dict[str, list[tuple[object, ...]]]


def taken(escrow: Escrow | Vault) -> Tables:
    """A backup of what the database knows of the PIN."""
    with escrow.keys.superuser() as conn:
        return {
            "pin_generations": conn.execute(
                "SELECT pin_gen, token_serial, state, pin_check, created_at FROM pin_generations"
            ).fetchall(),
            "shares": conn.execute(
                "SELECT purpose, generation, officer_id, sealed, created_at FROM shares"
            ).fetchall(),
        }


def restore(escrow: Escrow | Vault, backup: Tables) -> None:
    with escrow.keys.superuser() as conn:
        conn.execute("TRUNCATE pin_generations, shares")
        for row in backup["pin_generations"]:
            conn.execute("INSERT INTO pin_generations VALUES (%s, %s, %s, %s, %s)", row)
        for row in backup["shares"]:
            conn.execute("INSERT INTO shares VALUES (%s, %s, %s, %s, %s)", row)


@pytest.fixture
def copied(escrow: Escrow) -> Callable[[], Path]:
    """Copies the ceremony folder; put it back by `restore_folder`."""

    def copy() -> Path:
        return Path(shutil.copytree(escrow.folder, escrow.home / "folder-before"))

    return copy


def restore_folder(escrow: Escrow, copy: Path) -> None:
    shutil.rmtree(escrow.folder)
    shutil.copytree(copy, escrow.folder)


def opens_without_a_wrong_pin(escrow: Escrow) -> int:
    with counted_logins() as logins:
        opened = escrow.opens()
    assert logins == [True]
    return opened


@pytest.mark.parametrize("changes", [1, 3])
def test_a_database_of_before_the_change_does_not_lock_the_escrow(escrow: Escrow, changes: int) -> None:
    """The newest shares are in the folder as well, and are put back for the officers."""
    backup = taken(escrow)
    for _ in range(changes):
        newest = escrow.change()
    restore(escrow, backup)

    assert opens_without_a_wrong_pin(escrow) == newest
    assert escrow.states() == {1: "retired", newest: "active"}
    assert escrow.shares_of() == {newest: 3}
    assert escrow.change() == newest + 1


def test_a_database_without_any_generation_does_not_either(escrow: Escrow) -> None:
    escrow.change()
    restore(escrow, {"pin_generations": [], "shares": []})

    assert opens_without_a_wrong_pin(escrow) == 2
    assert escrow.states() == {2: "active"}


@pytest.mark.parametrize(("moment", "opens"), [("dies before it", 1), ("dies after it", 2)])
def test_a_database_of_before_a_change_that_died_does_not_either(
    escrow: Escrow, moment: str, opens: int
) -> None:
    """The folder knows that a change was under way: officers are asked for both sets."""
    backup = taken(escrow)
    run(escrow, set_pin=moment)  # type: ignore[arg-type]  # of the list above
    restore(escrow, backup)

    with counted_logins() as logins:
        assert escrow.opens() == opens
    assert logins == ([False, True] if opens == 1 else [True])
    assert escrow.shares_of() == {opens: 3}


def test_a_folder_of_before_the_change_does_not_lock_it(escrow: Escrow, copied: Callable[[], Path]) -> None:
    before = copied()
    escrow.change()
    restore_folder(escrow, before)

    assert opens_without_a_wrong_pin(escrow) == 2
    assert set(read_bundle(escrow.folder).sets) == {2}, "and the folder has the newest set again"
    assert read_bundle(escrow.folder).sets[2].state == "active"


@pytest.mark.parametrize("lost", ["removed", "garbage", "from an older version"])
def test_a_lost_folder_does_not_either(escrow: Escrow, lost: str) -> None:
    escrow.change()
    content = {"garbage": "\x00" * 100, "from an older version": '{"v":1,"generation":2,"shares":{}}'}
    for file in escrow.folder.glob("shares-*"):
        file.unlink()
        if lost in content:
            file.write_text(content[lost])

    assert opens_without_a_wrong_pin(escrow) == 2
    kept = read_bundle(escrow.folder)
    assert (kept.sets[2].state, len(kept.sets[2].shares)) == ("active", 3)


def test_a_folder_of_the_middle_of_a_change_believes_a_database_that_is_further(
    escrow: Escrow, copied: Callable[[], Path]
) -> None:
    run(escrow, set_pin="dies after it")
    before = copied()
    escrow.opens()
    restore_folder(escrow, before)

    assert opens_without_a_wrong_pin(escrow) == 2


def test_with_both_of_before_the_change_the_pin_is_unknown_and_said_to_be(
    escrow: Escrow, copied: Callable[[], Path]
) -> None:
    """One wrong PIN, which nothing could have told beforehand; afterwards none."""
    before, backup = copied(), taken(escrow)
    escrow.change()
    restore(escrow, backup)
    restore_folder(escrow, before)

    with counted_logins() as logins:
        for _ in range(3):
            with pytest.raises(ConfigurationError, match="refused PIN generation 1"):
                escrow.opens()
    assert logins == [False]


def test_with_both_lost_no_pin_is_tried(escrow: Escrow) -> None:
    restore(escrow, {"pin_generations": [], "shares": []})
    shutil.rmtree(escrow.folder)

    with counted_logins() as logins, pytest.raises(PinUnknownError, match="neither") as refused:
        escrow.opens()
    assert "pin-blocked.md" in refused.value.remedy
    assert logins == []


def test_a_token_of_before_the_last_ceremony_opens_at_the_second_try(escrow: Escrow) -> None:
    """A lost token whose backup was put in its place: the old shares are there until the next ceremony."""
    tokens = escrow.home / "tokens"
    shutil.copytree(tokens, escrow.home / "backup")
    escrow.change()
    shutil.rmtree(tokens)
    shutil.copytree(escrow.home / "backup", tokens)

    with counted_logins() as logins:
        with pytest.raises(EscrowPinRefusedError, match="generation 2"):
            escrow.opens()
        assert escrow.opens() == 1
    assert logins == [False, True]
    assert escrow.change() == 3
    assert escrow.opens() == 3
