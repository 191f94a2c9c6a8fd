"""Somebody who signs up and in, at the key service directly: for tests of keys, not of HTTP."""

import itertools
from dataclasses import dataclass

from tests.rig.vault import PASSWORD, Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangePassword, Enrol, Enrolled, EpochIs, Unlock, Unlocked
from vault_service.settings import KmsClient as KmsClientSettings

_numbers = itertools.count(1)


def kms_of(vault: Vault) -> KmsClient:
    """The key service as the API reaches it."""
    return kms_client(KmsClientSettings(url=vault.socket("api")))


@dataclass
class Person:
    """One user; the password is what it should be by now."""

    vault: Vault
    kms: KmsClient
    user: UserId
    login: str
    password: str

    def unlock(self, password: str | None = None) -> Unlocked:
        return self.kms.call(Unlock(self.vault.app_key, self.login, password or self.password), Unlocked)

    def opens_with(self, password: str) -> bool:
        try:
            self.unlock(password)
        except VaultError as error:
            if error.code != "login.refused":
                raise
            return False
        return True

    def change_password(self, new: str) -> int:
        answer = self.kms.call(ChangePassword(self.user, self.password, new), EpochIs)
        assert answer.epoch is not None
        self.password = new
        return answer.epoch


def enrol(vault: Vault, kms: KmsClient, password: str = PASSWORD) -> Person:
    """A new user."""
    user, login = UserId(new_uuid()), f"person-{next(_numbers)}-{new_uuid().hex[-6:]}@example.org"
    kms.call(Enrol(vault.app_key, user, login, password), Enrolled)
    return Person(vault, kms, user, login, password)
