"""Backups of the keys database from before a rotation: each opens as documented, or says what is missing."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.kms.chains import key_service
from tests.rig.people import Person, enrol, kms_of
from tests.rig.postgres import TestDatabase, TestServer, copied_database
from tests.rig.vault import Vault, vault_of_its_own
from tests.rotation.operator import Operator
from tests.rotation.turning import Turner
from vault_service.crypto.manifest_chain import SignedManifest
from vault_service.domain.errors import ManifestError, WrongTokenError
from vault_service.domain.events import KeysEvent
from vault_service.kms.protocol.messages import Unlock
from vault_service.kms.service import KeyService
from vault_service.kms.users.unlock import unlock
from vault_service.settings import Database as DatabaseSettings


@pytest.fixture(scope="module")
def aged(scratch: Path, postgres: TestServer) -> Iterator[tuple[Vault, Person, TestDatabase]]:
    """A vault, somebody in it, and a backup of before its rotations."""
    with (
        vault_of_its_own(scratch, postgres) as vault,
        contextlib.closing(kms_of(vault)) as kms,
    ):
        person = enrol(vault, kms)
        vault.running["kms"].kill()  # nobody may be connected to what is copied
        with copied_database(postgres, "keys", vault.keys.name) as backup:
            vault.start_forked_kms()
            yield vault, person, backup


@contextlib.contextmanager
def restored(vault: Vault, backup: TestDatabase, state: Path) -> Iterator[KeyService]:
    """A key service on the backup and the vault's token, with what it remembers outside the database."""
    role = "vault_kms"
    database = DatabaseSettings(dsn=backup.dsn(role), password_file=backup.password_file(role))
    with key_service(vault, database=database, state_dir=state) as service:
        yield service


def signing_in(person: Person) -> Unlock:
    return Unlock(person.vault.app_key, person.login, person.password)


def test_an_older_backup_opens_until_its_keys_are_destroyed_and_then_says_which(
    aged: tuple[Vault, Person, TestDatabase], tmp_path: Path
) -> None:
    """One story, since what a backup is worth changes with each step of a rotation."""
    vault, person, backup = aged
    dek = person.unlock().dek
    vault.start_forked_worker("keys")
    with Operator.of(vault) as operator:
        turner = Turner(operator)
        for kind in ("pepper", "login-index"):
            operator.next(kind)
            turner.rotate(kind)

        # A key service that has lost its memory too, beside the vault: the older keys are still in the token.
        with restored(vault, backup, fresh(tmp_path, "beside")) as service:
            assert unlock(service, signing_in(person)).dek == dek
            assert service.manifests.current().pepper_gen == 1

        # In the place of the newer one: the manifests that it lacks are put back, with an event.
        with copy_of(backup) as second, restored(vault, second, kept(vault, tmp_path, "in place")) as service:
            assert unlock(service, signing_in(person)).dek == dek
            assert service.manifests.current().pepper_gen == 2
            assert events(second, KeysEvent.MANIFESTS_PUT_BACK) == 1
            service.manifests.reload()
            assert events(second, KeysEvent.MANIFESTS_PUT_BACK) == 1, "once"

        (old,) = [row for row in turner.all("pepper") if row.state == "retiring"]
        turner.give_up("pepper", old)

    # From then on it says which generation it lacks, opens nothing and is left as it is.
    for state in (kept(vault, tmp_path, "too late"), vault.home / "state" / "kms"):
        with restored(vault, backup, state) as service, pytest.raises(ManifestError, match="pepper key 1"):
            unlock(service, signing_in(person))
    with (
        restored(vault, backup, fresh(tmp_path, "forgotten")) as service,
        pytest.raises(WrongTokenError, match="pepper/1"),
    ):
        unlock(service, signing_in(person))
    assert events(backup, KeysEvent.MANIFESTS_PUT_BACK) == 0
    assert person.unlock().dek == dek, "the vault itself goes on"


def test_no_manifest_is_put_back_that_does_not_follow_what_is_stored(
    aged: tuple[Vault, Person, TestDatabase], tmp_path: Path
) -> None:
    """Whoever can write the file cannot give the service another chain, nor an older one."""
    vault, person, backup = aged
    with Operator.of(vault) as operator:
        operator.next("note")  # two manifests more than the backup has
    state = kept(vault, tmp_path, "forged")
    chain = state / "manifest-chain"
    links = msgspec.json.decode(chain.read_bytes(), type=list[SignedManifest])
    for forged in (
        [links[0], *links[2:]],
        [*links[:-1], replace(links[-1], signature=bytes(64))],
        [replace(links[0], signature=bytes(64)), *links[1:]],
        links[:-1],
        [],
    ):
        chain.write_bytes(msgspec.json.encode(forged))
        with restored(vault, backup, state) as service, pytest.raises(ManifestError):
            unlock(service, signing_in(person))
    chain.write_bytes(b"rubbish")
    with restored(vault, backup, state) as service, pytest.raises(ManifestError, match="has been seen"):
        unlock(service, signing_in(person))


@contextlib.contextmanager
def copy_of(backup: TestDatabase) -> Iterator[TestDatabase]:
    """What is put back into one restored database is not in the next."""
    with copied_database(backup.server, "keys", backup.name) as copy:
        yield copy


def events(database: TestDatabase, kind: KeysEvent) -> int:
    with database.superuser() as conn:
        rows = conn.execute("SELECT 1 FROM audit_events WHERE kind = %(kind)s", {"kind": int(kind)})
        return len(rows.fetchall())


def kept(vault: Vault, folder: Path, name: str) -> Path:
    """What the vault's key service remembers outside the database."""
    state = fresh(folder, name)
    for file in ("manifest-serial", "manifest-chain"):
        shutil.copy(vault.home / "state" / "kms" / file, state / file)
    return state


def fresh(folder: Path, name: str) -> Path:
    state = folder / name
    state.mkdir()
    return state
