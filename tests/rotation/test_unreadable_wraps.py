"""Wraps that were altered or moved: left as they are, told once, and never made to fit by a rotation."""

from collections.abc import Callable, Iterator
from typing import LiteralString
from uuid import UUID

import pytest

from tests.kms.casework import open_regain, regain
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker, as_superuser, begin, events_of, rows
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId, new_uuid
from vault_service.domain.rotation_errors import NoRotationError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.recovery_messages import CreateRecoveryCode, RecoveryCodeIs
from vault_service.kms.rotation.rewrap import PAGE, write_page
from vault_service.kms.rotation.rewrap_pepper import rewrap_pepper
from vault_service.kms.service import KeyService
from vault_service.storage.keys.peppered import HIGHEST
from vault_service.storage.keys.rotations import find_rotation, list_failures, move_rotation


@pytest.fixture
def worker(turned: Vault) -> Iterator[Worker]:
    with Worker.of(turned) as worker:
        yield worker


@pytest.fixture
def rotate(operator: Operator, second: KeyService) -> Iterator[Callable[[], UUID]]:
    """Makes a new pepper current and begins a rotation to it."""
    begun: list[UUID] = []

    def rotate() -> UUID:
        begun.append(begin(second, to_gen=operator.next("pepper").gen))
        return begun[-1]

    yield rotate
    for rotation in begun:
        with second.db.transaction() as conn:
            move_rotation(conn, rotation, "running", "finished", second.now())


def coded(vault: Vault, api: KmsClient, service: KeyService) -> Person:
    who = enrol(vault, api)
    api.call(CreateRecoveryCode(who.user, who.password), RecoveryCodeIs)
    return who


def waiting(vault: Vault, api: KmsClient, service: KeyService) -> Person:
    """For the officers."""
    who = enrol(vault, api)
    open_regain(vault, service, who)
    return who


def regained(vault: Vault, api: KmsClient, service: KeyService) -> Person:
    who = enrol(vault, api)
    file = open_regain(vault, service, who)
    file.approve("ana", "bob")
    regain(file)
    return who


def plain(vault: Vault, api: KmsClient, service: KeyService) -> Person:
    return enrol(vault, api)


Somebody = Callable[[Vault, KmsClient, KeyService], Person]
ALTERED: dict[str, tuple[Somebody, str, LiteralString]] = {
    "a password wrap": (plain, "password", """
        UPDATE credentials SET wrap = set_byte(wrap, 99, 255 - get_byte(wrap, 99)) WHERE user_id = %(u)s"""),
    "an epoch": (plain, "password", "UPDATE credentials SET epoch = 9 WHERE user_id = %(u)s"),
    "an epoch below all": (plain, "password", "UPDATE credentials SET epoch = -1 WHERE user_id = %(u)s"),
    "a cost": (plain, "password", "UPDATE credentials SET kdf_iterations = 1 WHERE user_id = %(u)s"),
    "an escrow wrap": (plain, "escrow", """
        UPDATE escrow_wraps SET wrap = set_byte(wrap, 99, 255 - get_byte(wrap, 99)) WHERE user_id = %(u)s"""),
    "an escrow generation": (plain, "escrow", "UPDATE escrow_wraps SET escrow_gen = 9 WHERE user_id = %(u)s"),
    "an escrow wrap of another DEK": (plain, "escrow", """
        UPDATE escrow_wraps SET dek_id = %(other)s WHERE user_id = %(u)s"""),
    "the escrow wrap of another user": (plain, "escrow", """
        UPDATE escrow_wraps SET wrap = (SELECT wrap FROM escrow_wraps WHERE user_id = %(other)s)
        WHERE user_id = %(u)s"""),
    "a login": (plain, "login-name", "UPDATE users SET sealed_login = 'x' WHERE user_id = %(u)s"),
    "a pepper that there never was": (plain, "login-name", """
        UPDATE users SET pepper_gen = -1 WHERE user_id = %(u)s"""),
    "a recovery code": (coded, "code", """
        UPDATE recovery_codes SET wrap = set_byte(wrap, 99, 255 - get_byte(wrap, 99))
        WHERE user_id = %(u)s"""),
    "a regain wrap": (regained, "regain", """
        UPDATE credentials SET wrap = set_byte(wrap, 99, 255 - get_byte(wrap, 99)) WHERE user_id = %(u)s"""),
    "a regain's key": (regained, "regain-key", """
        UPDATE credentials SET regain_key = set_byte(regain_key, 99, 255 - get_byte(regain_key, 99))
        WHERE user_id = %(u)s"""),
    "a waiting case's key": (waiting, "regain-key", """
        UPDATE regain_keys k SET wrap = set_byte(wrap, 99, 255 - get_byte(wrap, 99))
        FROM cases c WHERE c.case_id = k.case_id AND c.user_id = %(u)s"""),
    "a waiting case": (waiting, "regain-key", "UPDATE cases SET body = 'x' WHERE user_id = %(u)s"),
}  # fmt: skip


@pytest.mark.parametrize(("somebody", "wrap", "edit"), ALTERED.values(), ids=ALTERED.keys())
def test_what_does_not_open_is_left_and_told_once_and_the_rest_goes_on(
    turned: Vault, api: KmsClient, second: KeyService, worker: Worker, rotate: Callable[[], UUID],
    somebody: Somebody, wrap: str, edit: LiteralString,
) -> None:  # fmt: skip
    before, victim, behind = plain(turned, api, second), somebody(turned, api, second), enrol(turned, api)
    as_superuser(turned, edit, u=victim.user, other=before.user)
    others = wraps_of(turned, victim, but=wrap)
    altered = wraps_of(turned, victim, only=wrap)
    rotation = rotate()

    done, again = worker.rewrap(rotation), worker.rewrap(rotation)

    assert (done.state, done.lost) == ("running", 0)
    assert done.failed == again.failed >= 1
    assert again.rewrapped == 0
    assert failures(second, rotation, victim.user) == [wrap]
    assert events_of(turned, victim.user).count(KeysEvent.WRAP_INTEGRITY_FAILED) == 1
    assert wraps_of(turned, victim, only=wrap) == altered
    assert all(a != b for a, b in zip(wraps_of(turned, victim, but=wrap), others, strict=True))
    assert before.opens_with(before.password)
    assert behind.opens_with(behind.password)


def failures(service: KeyService, rotation: UUID, user: UserId) -> list[str]:
    with service.db.connection() as conn:
        return [each.wrap for each in list_failures(conn, rotation) if each.user == user]


_WRAPS: dict[str, LiteralString] = {
    "password": "SELECT wrap, pepper_gen FROM credentials WHERE user_id = %(u)s AND kind = 'password'",
    "regain": "SELECT wrap, pepper_gen FROM credentials WHERE user_id = %(u)s AND kind = 'regain'",
    "regain-key": """
        SELECT regain_key, regain_key_pepper_gen FROM credentials WHERE user_id = %(u)s AND kind = 'regain'
        UNION ALL
        SELECT wrap, pepper_gen FROM regain_keys JOIN cases USING (case_id) WHERE user_id = %(u)s""",
    "code": "SELECT wrap, pepper_gen FROM recovery_codes WHERE user_id = %(u)s",
    "escrow": "SELECT wrap, pepper_gen FROM escrow_wraps WHERE user_id = %(u)s",
    "login-name": "SELECT sealed_login, pepper_gen FROM users WHERE user_id = %(u)s",
}


def wraps_of(vault: Vault, person: Person, *, only: str = "", but: str = "") -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    with vault.keys.superuser() as conn:
        for name, statement in _WRAPS.items():
            if name in (only or name,) and name != but:
                found += conn.execute(statement, {"u": person.user}).fetchall()
    return found


def test_a_page_of_a_rotation_that_was_paused_meanwhile_is_taken_back(
    turned: Vault, api: KmsClient, second: KeyService, worker: Worker, rotate: Callable[[], UUID]
) -> None:
    enrol(turned, api)
    rotation = rotate()
    with second.db.connection() as conn:
        row = find_rotation(conn, rotation)
    assert row is not None
    page = rewrap_pepper(second, UserId(UUID(int=0)), HIGHEST, PAGE)
    with second.db.transaction() as conn:
        move_rotation(conn, rotation, "running", "paused", second.now())
    before = rows(turned)

    assert write_page(second, row, page).state == "paused"
    assert worker.rewrap(rotation).state == "paused"

    assert page.wraps > 0
    assert rows(turned) == before
    with second.db.transaction() as conn:
        move_rotation(conn, rotation, "paused", "finished", second.now())


def test_what_a_row_says_of_the_new_generation_is_not_believed(
    turned: Vault, api: KmsClient, second: KeyService, worker: Worker, rotate: Callable[[], UUID]
) -> None:
    """A superuser who wants wraps back on an old pepper, say one that leaked."""
    person = enrol(turned, api)
    rotation = rotate()
    as_superuser(turned, "UPDATE rotations SET to_gen = 1 WHERE rotation_id = %(r)s", r=rotation)

    worker.rewrap(rotation)

    current = second.manifests.fresh().pepper_gen
    assert [gen for _, gen in wraps_of(turned, person)] == [current] * 3


def test_a_waiting_case_may_be_bound_to_the_index_that_its_login_had_then(
    turned: Vault, api: KmsClient, second: KeyService, worker: Worker, rotate: Callable[[], UUID]
) -> None:
    """A rotation of the login index has given the user another one since."""
    person = waiting(turned, api, second)
    as_superuser(
        turned, "UPDATE users SET login_index = sha256(login_index) WHERE user_id = %(u)s", u=person.user
    )
    rotation = rotate()

    worker.rewrap(rotation)

    assert sorted(failures(second, rotation, person.user)) == ["escrow", "login-name", "password"]


def test_there_is_no_batch_of_a_rotation_that_nobody_began(worker: Worker) -> None:
    with pytest.raises(NoRotationError):
        worker.rewrap(new_uuid())
