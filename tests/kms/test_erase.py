"""An erased user stays erased: after a restored backup, a late retry, and a crash in the middle of a line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from tests.dev.waiting import until
from tests.kms.recoveries import Recoveries
from tests.rig.people import Person, enrol, kms_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import (
    ConfigurationError,
    IdempotencyConflictError,
    LoginRefusedError,
    ManifestError,
    UnavailableError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.kept.tombstones import Tombstones
from vault_service.kms.manifest import ManifestKeeper
from vault_service.kms.protocol.messages import Done, Enrol, Enrolled, Epoch, EpochIs, Erase
from vault_service.kms.service import KeyService
from vault_service.kms.users.erase import erase as erase_user
from vault_service.kms.users.erase import erase_again

TABLES: tuple[LiteralString, ...] = ("users", "credentials", "deks", "escrow_wraps", "logins")


def erase(person: Person) -> None:
    person.kms.call(Erase(person.user, person.password), Done)


def last_event(vault: Vault, user: UserId) -> KeysEvent:
    with vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %s ORDER BY event_id DESC LIMIT 1", (user,)
        ).fetchone()
    assert row is not None
    return KeysEvent(int(str(row[0])))


def test_erasing_takes_the_password_and_leaves_no_row_but_the_trail(vault: Vault, kms: KmsClient) -> None:
    person = enrol(vault, kms)
    with pytest.raises(LoginRefusedError):
        kms.call(Erase(person.user, "a wrong but long enough password"), Done)
    assert last_event(vault, person.user) is KeysEvent.ERASE_REFUSED

    erase(person)

    with vault.keys.superuser() as conn:
        for table in TABLES:
            left = conn.execute("SELECT 1 FROM " + table + " WHERE user_id = %s", (person.user,))
            assert left.fetchone() is None, table
    assert last_event(vault, person.user) is KeysEvent.USER_ERASED
    assert not person.opens_with(person.password)


def test_what_was_asked_for_about_somebody_ends_with_them(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    """Officers would go on telephoning about a person who is not there any more."""
    person, recoveries = enrol(vault, kms), Recoveries(vault, service)
    case = recoveries.of(person).case_id

    erase(person)

    assert recoveries.status(case) == "cancelled"
    assert recoveries.events(case) == [KeysEvent.CASE_OPENED, KeysEvent.CASE_CANCELLED]


def back_up(vault: Vault) -> None:
    with vault.keys.superuser() as conn:
        for table in TABLES:
            conn.execute("CREATE TABLE backup_" + table + " AS SELECT * FROM " + table)


def bring_back(vault: Vault, user: UserId) -> None:
    with vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")
        for table in TABLES:
            conn.execute(
                "INSERT INTO " + table + " SELECT * FROM backup_" + table + " WHERE user_id = %s", (user,)
            )
            conn.execute("DROP TABLE backup_" + table)


def test_whom_a_restored_backup_brings_back_is_erased_again(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    person, other = enrol(vault, kms), enrol(vault, kms)
    back_up(vault)
    erase(person)
    bring_back(vault, person.user)
    assert person.opens_with(person.password)

    assert erase_again(service) == 1

    assert kms.call(Epoch(person.user), EpochIs).epoch is None
    assert last_event(vault, person.user) is KeysEvent.USER_ERASED
    assert other.opens_with(other.password)
    assert erase_again(service) == 0


def stopped_and_brought_back(vault: Vault) -> Person:
    """Somebody erased whom a restored backup has brought back; the key service is to be started."""
    person = enrol(vault, kms_of(vault))
    back_up(vault)
    erase(person)
    vault.running["kms"].stop()
    bring_back(vault, person.user)
    return person


def is_gone(vault: Vault, user: UserId) -> bool:
    with vault.keys.superuser() as conn:
        return conn.execute("SELECT 1 FROM users WHERE user_id = %s", (user,)).fetchone() is None


def test_a_key_service_listens_only_when_those_brought_back_are_erased(own_vault: Vault) -> None:
    """Whoever asks first, right after the start, finds nobody of them."""
    person = stopped_and_brought_back(own_vault)

    with own_vault.keys.superuser() as held, own_vault.keys.superuser() as watch:
        with held.transaction():
            held.execute("SELECT FROM users WHERE user_id = %s FOR UPDATE", (person.user,))
            process = own_vault.start_forked_kms(wait=False)
            until(lambda: watch.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
            assert not own_vault.kms_is_healthy(), "it does not listen while it erases them"
        own_vault.wait_for(own_vault.kms_is_healthy, process)

    assert person.kms.call(Epoch(person.user), EpochIs).epoch is None


def test_a_database_that_is_away_at_the_start_is_looked_at_as_soon_as_it_is_back(own_vault: Vault) -> None:
    """Not a minute later: until then, those whom a restored backup brought back can sign in."""
    person = stopped_and_brought_back(own_vault)
    with own_vault.keys.server.admin() as conn:
        name = psycopg.sql.Identifier(own_vault.keys.name)
        conn.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        process = own_vault.start_forked_kms(wait=False)
        own_vault.wait_for(lambda: "worker.task_failed" in process.log.read_text(), process)
        conn.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    until(lambda: is_gone(own_vault, person.user))


@pytest.mark.parametrize("look", [Tombstones.all, Tombstones.begun])
def test_a_list_that_cannot_be_read_is_an_unavailable_part_and_not_the_end(
    tmp_path: Path, look: Callable[[Tombstones], object]
) -> None:
    (tmp_path / "erased-users").mkdir()

    with pytest.raises(UnavailableError, match="state folder"):
        look(Tombstones(tmp_path))


@pytest.mark.parametrize("look", [Tombstones.all, Tombstones.begun])
def test_a_whole_line_that_names_nobody_is_told_with_its_file(
    tmp_path: Path, look: Callable[[Tombstones], object]
) -> None:
    """Going on without it could bring somebody back."""
    (tmp_path / "erased-users").write_text(f"{new_uuid()}\nnobody\n")

    with pytest.raises(ConfigurationError, match="erased-users does not hold user ids"):
        look(Tombstones(tmp_path))


def test_a_key_service_that_does_not_believe_its_manifest_erases_nobody(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    """From the manifest it knows which keys its token must hold; before that it computes with none."""
    person = enrol(vault, kms)
    manifests = ManifestKeeper(
        service.db,
        service.keyring.token,
        service.policies,
        fingerprint="00" * 32,
        state_dir=vault.home / "state" / "kms",
    )

    with pytest.raises(ManifestError):
        erase_user(replace(service, manifests=manifests), Erase(person.user, person.password))

    assert person.opens_with(person.password)


def test_what_cannot_be_remembered_is_not_erased(vault: Vault, kms: KmsClient, service: KeyService) -> None:
    person = enrol(vault, kms)
    nowhere = replace(service, tombstones=Tombstones(vault.home / "no such folder"))

    with pytest.raises(UnavailableError):
        erase_user(nowhere, Erase(person.user, person.password))

    assert person.opens_with(person.password)


def test_an_erasure_that_was_begun_and_not_committed_erases_nobody(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    person = enrol(vault, kms)
    service.tombstones.begin(person.user)

    assert erase_again(service) == 0

    assert person.user not in service.tombstones.all()
    assert person.opens_with(person.password)


def test_a_late_retry_of_the_sign_up_does_not_bring_an_erased_user_back(vault: Vault, kms: KmsClient) -> None:
    """Nor somebody else under the same id, whom the next look at the tombstones would erase."""
    person = enrol(vault, kms)
    erase(person)

    for login in (person.login, f"somebody-{new_uuid().hex}@example.org"):
        with pytest.raises(IdempotencyConflictError):
            kms.call(Enrol(vault.app_key, person.user, login, PASSWORD), Enrolled)
        assert last_event(vault, person.user) is KeysEvent.ENROL_REFUSED

    assert kms.call(Epoch(person.user), EpochIs).epoch is None
    kms.call(Enrol(vault.app_key, new_uuid(), person.login, PASSWORD), Enrolled)


@pytest.mark.parametrize("torn", [b"0192", b"0192f3a0-1111-7222-8333-44445555666", b"\0\0\0\0"])
def test_a_line_that_a_crash_tore_hides_nobody_who_was_erased_before_or_after_it(
    tmp_path: Path, torn: bytes
) -> None:
    before, after = UserId(new_uuid()), UserId(new_uuid())
    Tombstones(tmp_path).add(before)
    with (tmp_path / "erased-users").open("ab") as file:
        file.write(torn)
    assert Tombstones(tmp_path).all() == (before,)

    Tombstones(tmp_path).begin(after)
    assert Tombstones(tmp_path).begun() == (after,)
    Tombstones(tmp_path).add(after)

    assert Tombstones(tmp_path).all() == (before, after)


def test_who_was_begun_is_read_once_and_what_is_put_in_place_of_the_file_anew(tmp_path: Path) -> None:
    tombstones = Tombstones(tmp_path)
    path = tmp_path / "erased-users"
    one, two, three = (UserId(new_uuid()) for _ in range(3))
    for user in (one, two):
        tombstones.begin(user)
    tombstones.add(one)
    assert tombstones.begun() == (two,)

    path.write_bytes(b"\0" * 38 + path.read_bytes()[38:])  # what is never looked at again
    tombstones.begin(three)
    assert tombstones.begun() == (two, three)

    path.write_text(f"?{one}\n{two}\n?{three}\n{three}\n{'?' + str(two)}\n", "ascii")  # in place, and longer
    assert tombstones.begun() == (one, two)
    beside = tmp_path / "backup"
    beside.write_text(f"?{three}\n" * 9, "ascii")
    beside.replace(path)
    assert tombstones.begun() == (three,)
    path.write_text("", "ascii")
    assert tombstones.begun() == ()


@pytest.mark.parametrize("line", ["nobody\n", "??0192f3a0-1111-7222-8333-444455556666\n", "\n"])
def test_a_file_that_holds_something_else_is_told_and_erases_nobody(tmp_path: Path, line: str) -> None:
    (tmp_path / "erased-users").write_text(line, "ascii")

    for look in (Tombstones.all, Tombstones.begun):
        with pytest.raises(ConfigurationError, match="does not hold user ids"):
            look(Tombstones(tmp_path))


def test_a_line_torn_in_an_empty_file_is_nobody(tmp_path: Path) -> None:
    (tmp_path / "erased-users").write_bytes(b"0192f3a0")
    user = UserId(new_uuid())

    Tombstones(tmp_path).add(user)

    assert Tombstones(tmp_path).all() == (user,)
