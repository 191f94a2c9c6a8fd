"""What people do while their wraps are on the way to a new pepper, and how to see that it stands."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.kms.casework import NEW_PASSWORD, open_regain, regain
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from vault_service.domain.ids import new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, Done, Erase
from vault_service.kms.protocol.recovery_messages import (
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.service import KeyService

THIRD_PASSWORD = "a third password of two mills"


@dataclass(frozen=True)
class Rival:
    """`act` is done while a rewrap is under way; `stands` tells afterwards whether it took effect."""

    person: Person
    act: Callable[[], object]
    stands: Callable[[], bool]


Prepare = Callable[[Vault, KmsClient, KeyService], Rival]


def signs_in(vault: Vault, api: KmsClient, service: KeyService) -> Rival:
    who = enrol(vault, api)
    return Rival(who, who.unlock, lambda: who.opens_with(who.password))


def changes_password(vault: Vault, api: KmsClient, service: KeyService) -> Rival:
    who = enrol(vault, api)
    old = who.password
    return Rival(
        who,
        lambda: who.change_password(THIRD_PASSWORD),
        lambda: who.opens_with(THIRD_PASSWORD) and not who.opens_with(old),
    )


def changes_login(vault: Vault, api: KmsClient, service: KeyService) -> Rival:
    who = enrol(vault, api)
    moved = replace(who, login=f"moved-{new_uuid().hex}@example.org")
    return Rival(
        who,
        lambda: api.call(ChangeLogin(who.user, who.password, moved.login), Done),
        lambda: moved.opens_with(who.password) and not who.opens_with(who.password),
    )


def changes_login_with_a_code(vault: Vault, api: KmsClient, service: KeyService) -> Rival:
    rival = changes_login(vault, api, service)
    api.call(CreateRecoveryCode(rival.person.user, rival.person.password), RecoveryCodeIs)
    return rival


def makes_a_code(vault: Vault, api: KmsClient, service: KeyService) -> Rival:
    """In the place of an older one."""
    who = enrol(vault, api)
    made: list[str] = []

    def make() -> None:
        made.append(api.call(CreateRecoveryCode(who.user, who.password), RecoveryCodeIs).code)

    make()
    return Rival(who, make, lambda: _redeem(vault, api, who, made[-1]))


def redeems_a_code(vault: Vault, api: KmsClient, service: KeyService) -> Rival:
    who = enrol(vault, api)
    code = api.call(CreateRecoveryCode(who.user, who.password), RecoveryCodeIs).code
    return Rival(who, lambda: _redeem(vault, api, who, code), lambda: who.opens_with(THIRD_PASSWORD))


def _redeem(vault: Vault, api: KmsClient, who: Person, code: str) -> bool:
    api.call(RedeemRecoveryCode(vault.app_key, who.login, code, THIRD_PASSWORD), CodeRedeemed)
    return who.opens_with(THIRD_PASSWORD)


def regains(vault: Vault, api: KmsClient, service: KeyService) -> Rival:
    """Officers have approved; the ceremony runs."""
    who = enrol(vault, api)
    file = open_regain(vault, service, who)
    file.approve("ana", "bob")
    return Rival(
        who,
        lambda: regain(file),
        lambda: who.opens_with(NEW_PASSWORD) and not who.opens_with(who.password),
    )


def signs_in_after_a_regain(vault: Vault, api: KmsClient, service: KeyService) -> Rival:
    """For the first time: an ordinary password wrap takes the place of two."""
    rival = regains(vault, api, service)
    rival.act()
    who = rival.person
    return Rival(who, lambda: who.unlock(NEW_PASSWORD), rival.stands)


def erases(vault: Vault, api: KmsClient, service: KeyService) -> Rival:
    who = enrol(vault, api)
    return Rival(
        who,
        lambda: api.call(Erase(who.user, who.password), Done),
        lambda: not who.opens_with(who.password),
    )


RIVALS: tuple[Prepare, ...] = (
    signs_in, changes_password, changes_login, changes_login_with_a_code, makes_a_code, redeems_a_code,
    regains, signs_in_after_a_regain, erases,
)  # fmt: skip
