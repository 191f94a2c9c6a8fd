"""Somebody is moved to a new login index while something else is done with them, at each of its steps.

A step is the call's next look at the clock: each transaction and each count has one. The move is done by the
running key service, the call by another one in this process.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

import pytest

from tests.kms.casework import NEW_PASSWORD, CaseFile, ceremony_in, open_regain, regain
from tests.rig.officers import sealed_for
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from tests.rotation.login_index import a_new_index, begin, rotate
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker, events_of
from vault_service.domain.errors import ConcurrentChangeError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, ChangePassword, Erase, Unlock
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.protocol.rotation_messages import VerifyWraps, WrapsVerified
from vault_service.kms.recovery.begin_recovery import begin_recovery
from vault_service.kms.service import KeyService
from vault_service.kms.users.erase import erase
from vault_service.kms.users.login_change import change_login
from vault_service.kms.users.password import change_password
from vault_service.kms.users.recovery_code import create_recovery_code, redeem_recovery_code
from vault_service.kms.users.unlock import unlock

THIRD = "a third password of two mills"


@pytest.fixture
def worker(turned: Vault) -> Iterator[Worker]:
    with Worker.of(turned) as worker:
        yield worker


@dataclass
class Scene:
    """One person and something that is done with them."""

    vault: Vault
    person: Person
    code: str = ""
    file: CaseFile | None = None


Call = Callable[[KeyService, Scene], object]


def _unlocked(service: KeyService, scene: Scene) -> None:
    unlock(service, Unlock(scene.vault.app_key, scene.person.login, scene.person.password))


def _password(service: KeyService, scene: Scene) -> None:
    change_password(service, ChangePassword(scene.person.user, scene.person.password, THIRD))
    scene.person.password = THIRD


def _login(service: KeyService, scene: Scene) -> None:
    login = f"moved-{new_uuid().hex}@example.org"
    change_login(service, ChangeLogin(scene.person.user, scene.person.password, login))
    scene.person.login = login


def _code(service: KeyService, scene: Scene) -> None:
    scene.code = create_recovery_code(
        service, CreateRecoveryCode(scene.person.user, scene.person.password)
    ).code


def _redeemed(service: KeyService, scene: Scene) -> None:
    request = RedeemRecoveryCode(scene.vault.app_key, scene.person.login, scene.code, THIRD)
    redeem_recovery_code(service, request)
    scene.person.password, scene.code = THIRD, ""


def _asked(service: KeyService, scene: Scene) -> None:
    begin_recovery(service, BeginRecovery(scene.vault.app_key, new_uuid(), scene.person.login, NEW_PASSWORD))


def _regained(service: KeyService, scene: Scene) -> None:
    assert scene.file is not None
    ceremony = ceremony_in(service)
    case = scene.file.case
    ceremony.open(case.case_id)
    wrap = ceremony.peel(case.case_id).wraps[0]
    ceremony.complete(case.case_id, sealed_dek=sealed_for(case, wrap, scene.file.dek))
    scene.person.password = NEW_PASSWORD


def _erased(service: KeyService, scene: Scene) -> None:
    erase(service, Erase(scene.person.user, scene.person.password))
    scene.person.password = ""


CALLS: dict[str, Call] = {
    "sign in": _unlocked, "first sign-in after a regain": _unlocked, "change password": _password,
    "change login": _login, "make a code": _code, "use a code": _redeemed, "ask for access": _asked,
    "regain": _regained, "erase": _erased,
}  # fmt: skip


ASKED_AGAIN = {"change password", "change login", "make a code", "use a code"}
"""What has computed new wraps for the index of before loses, and says so."""


def scene_of(name: str, vault: Vault, kms: KmsClient, service: KeyService) -> Scene:
    scene = Scene(vault, enrol(vault, kms))
    if name == "use a code":
        request = CreateRecoveryCode(scene.person.user, scene.person.password)
        scene.code = kms.call(request, RecoveryCodeIs).code
    if name in ("regain", "first sign-in after a regain"):
        scene.file = open_regain(vault, service, scene.person)
        scene.file.approve("ana", "bob")
    if name == "first sign-in after a regain" and scene.file is not None:
        regain(scene.file)
        scene.person.password = NEW_PASSWORD
    return scene


def with_a_step(service: KeyService, step: int, then: Callable[[], object]) -> tuple[KeyService, list[int]]:
    """The same, which does something else when it looks at the clock for the `step`-th time."""
    looks = list[int]()

    def now() -> datetime:
        looks.append(1)
        if len(looks) == step:
            then()
        return service.now()

    return replace(service, now=now), looks


def leads_nowhere(vault: Vault) -> int:
    """Logins that are nobody's any more, and that nobody else could get."""
    with vault.keys.superuser() as conn:
        row = conn.execute(
            """SELECT count(*) FROM logins l WHERE NOT EXISTS (SELECT FROM users u
                 WHERE u.user_id = l.user_id AND u.login_index = l.login_index)"""
        ).fetchone()
    return int(str(row and row[0]))


@pytest.mark.parametrize("name", CALLS)
def test_whoever_is_moved_meanwhile_loses_nothing(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker, name: str
) -> None:
    service, looks = with_a_step(second, 0, lambda: None)
    CALLS[name](service, scene_of(name, turned, api, second))
    scenes = [scene_of(name, turned, api, second) for _ in looks]
    a_new_index(operator, second)
    rotation, refused = begin(second), 0
    for step, scene in enumerate(scenes, start=1):
        user = scene.person.user
        move = partial(worker.rewrap, rotation, UUID(int=user.int - 1), user)
        service, _ = with_a_step(second, step, move)
        try:
            CALLS[name](service, scene)
        except ConcurrentChangeError:
            refused += 1
    rotate(second, worker)

    assert refused == 0 or name in ASKED_AGAIN
    assert leads_nowhere(turned) == 0
    assert worker.kms.call(VerifyWraps(NOBODY, limit=2000), WrapsVerified).failed == ()
    for scene in scenes:
        assert KeysEvent.WRAP_INTEGRITY_FAILED not in events_of(turned, scene.person.user)
        if scene.code:
            _redeemed(second, scene)
        if scene.person.password:
            assert scene.person.opens_with(scene.person.password)
