"""Backups of the keys database from before a rotation: each opens as documented, or says what is missing."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.people import Person, enrol, kms_of
from tests.rig.postgres import TestDatabase, TestServer, copied_database, fresh_database
from tests.rig.vault import Vault, running_vault, settings_of
from tests.rotation.operator import Operator
from tests.rotation.turning import Turner
from vault_service.bootstrap.kms import build_key_service
from vault_service.domain.errors import ManifestError, WrongTokenError
from vault_service.kms.messages import Unlock
from vault_service.kms.service import KeyService
from vault_service.kms.unlock import unlock
from vault_service.settings import Database as DatabaseSettings


@pytest.fixture(scope="module")
def aged(scratch: Path, postgres: TestServer) -> Iterator[tuple[Vault, Person, TestDatabase]]:
    """A vault, somebody in it, and a backup of before its rotations."""
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / keys.name, keys, records, forked=True) as vault,
        contextlib.closing(kms_of(vault)) as kms,
    ):
        person = enrol(vault, kms)
        vault.running["kms"].kill()  # nobody may be connected to what is copied
        with copied_database(postgres, "keys", keys.name) as backup:
            vault.start_forked_kms()
            yield vault, person, backup


@contextlib.contextmanager
def restored(vault: Vault, backup: TestDatabase, state: Path) -> Iterator[KeyService]:
    """A key service on the backup and the vault's token, with what it remembers outside the database."""
    settings = settings_of(vault)
    assert settings.kms is not None
    role = "vault_kms"
    database = DatabaseSettings(dsn=backup.dsn(role), password_file=backup.password_file(role))
    kms = settings.kms.model_copy(update={"database": database, "state_dir": state})
    service = build_key_service(settings, kms)
    service.keyring.token.open()
    try:
        yield service
    finally:
        service.db.close()
        service.keyring.token.close()


def signing_in(person: Person) -> Unlock:
    return Unlock(person.vault.app_key, person.login, person.password)


def test_an_older_backup_opens_beside_the_vault_until_its_keys_are_destroyed(
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

        # Put in the place of the newer one, it is refused: who believed the newer manifest never goes back.
        own = vault.home / "state" / "kms"
        with restored(vault, backup, own) as service, pytest.raises(ManifestError, match="has been seen"):
            unlock(service, signing_in(person))

        # Beside it, with a memory of its own, it opens: the older keys are still in the token.
        with restored(vault, backup, fresh(tmp_path, "beside")) as service:
            assert unlock(service, signing_in(person)).dek == dek

        (old,) = [row for row in turner.all("pepper") if row.state == "retiring"]
        turner.give_up("pepper", old)

    # From then on it says which generation it lacks, and opens nothing.
    late = fresh(tmp_path, "too late")
    with restored(vault, backup, late) as service, pytest.raises(WrongTokenError, match="pepper/1"):
        unlock(service, signing_in(person))
    assert person.unlock().dek == dek, "the vault itself goes on"


def fresh(folder: Path, name: str) -> Path:
    state = folder / name
    state.mkdir()
    return state
