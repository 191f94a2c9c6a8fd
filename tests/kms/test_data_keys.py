"""A user's data key is changed at the key service: what it hands out, what it refuses, what is left."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import msgspec
import pytest

from tests.promises.inside import rows_of
from tests.rig.people import Person, enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.crypto.dek import Dek
from vault_service.domain.errors import LoginRefusedError, VaultError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.ids import new_uuid
from vault_service.domain.rotation_errors import DataKeyChangeRefusedError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, Done, Enrol, Enrolled, Erase, Unlock, Unlocked
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryBegun,
    RecoveryCodeIs,
    RecoveryStatus,
    RecoveryStatusIs,
    RedeemRecoveryCode,
)
from vault_service.kms.protocol.rotation_messages import (
    AddDataKey,
    DataKeyAdded,
    DataKeysDemanded,
    DemandDataKeys,
    DropDataKey,
)
from vault_service.kms.service import KeyService
from vault_service.kms.users.data_keys import older_keys
from vault_service.kms.wrapping.wraps import login_of
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.keys.data_keys import kept_escrows
from vault_service.storage.keys.users import find_by_id

NEW = "nine lanterns behind the old mill"


@pytest.fixture
def person(vault: Vault, kms: KmsClient) -> Person:
    return enrol(vault, kms)


def change(person: Person, password: str | None = None) -> DataKeyAdded:
    return person.kms.call(AddDataKey(person.user, password or person.password), DataKeyAdded)


def drop(person: Person, dek: UUID, unlock: UUID) -> None:
    person.kms.call(DropDataKey(person.user, dek, unlock), Done)


def is_refused(person: Person, dek: UUID, unlock: UUID) -> bool:
    try:
        drop(person, dek, unlock)
    except DataKeyChangeRefusedError:
        return events(person)[-1] is K.DATA_KEY_CHANGE_REFUSED
    return False


def events(person: Person) -> list[K]:
    with person.vault.keys.superuser() as conn:
        rows = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %s ORDER BY event_id", (person.user,)
        ).fetchall()
    return [K(int(str(kind))) for (kind,) in rows]


def deks(person: Person) -> int:
    rows, wraps = (rows_of(person.vault.keys, table, person.user) for table in ("deks", "escrow_wraps"))
    assert len(rows) == len(wraps)
    return len(rows)


def older(opened: Unlocked) -> dict[UUID, bytes]:
    return {each.dek_id: each.dek for each in opened.older}


def test_until_the_older_key_is_dropped_an_unlock_hands_out_both(person: Person) -> None:
    before = person.unlock()

    added = change(person)

    opened = person.unlock()
    assert (opened.epoch, opened.dek_id) == (added.epoch, added.dek_id) == (before.epoch + 1, added.dek_id)
    assert opened.dek != before.dek
    assert older(opened) == {before.dek_id: before.dek}
    for _ in range(2):  # an answer that got lost is asked for again
        drop(person, before.dek_id, opened.unlock_id)
    again = person.unlock()
    assert (again.dek, again.older, deks(person)) == (opened.dek, (), 1)
    assert events(person).count(K.DATA_KEY_DROPPED) == 1


def test_a_change_before_the_last_one_has_ended_keeps_all_older_keys_up_to_a_limit(person: Person) -> None:
    """A record that does not open may hold a key for long; a stolen key is to be changed all the same."""
    known = {}
    for _ in range(4):
        opened = person.unlock()
        known[opened.dek_id] = opened.dek
        change(person)
    opened = person.unlock()
    assert older(opened) == known
    with pytest.raises(DataKeyChangeRefusedError):
        change(person)

    first, *_ = known
    drop(person, first, opened.unlock_id)
    change(person)

    del known[first]
    assert older(person.unlock()) == known | {opened.dek_id: opened.dek}


def test_an_older_key_is_dropped_for_a_session_since_the_change_only(vault: Vault, person: Person) -> None:
    """A captured API host may hold the id of any session that ever was."""
    before = person.unlock()
    change(person)
    after, stranger = person.unlock(), enrol(vault, person.kms).unlock()

    for unlock in (before.unlock_id, stranger.unlock_id, new_uuid()):
        assert is_refused(person, before.dek_id, unlock)
    assert is_refused(person, after.dek_id, after.unlock_id), "nor is the present one ever"
    assert older(person.unlock()) == {before.dek_id: before.dek}


def test_nobody_changes_a_key_without_the_password(person: Person) -> None:
    with pytest.raises(LoginRefusedError):
        change(person, NEW)
    with pytest.raises(LoginRefusedError):
        person.kms.call(AddDataKey(new_uuid(), PASSWORD), DataKeyAdded)
    assert deks(person) == 1
    assert events(person)[-1] is K.DATA_KEY_CHANGE_REFUSED


def test_a_one_time_password_is_changed_first(vault: Vault, kms: KmsClient) -> None:
    user, login = new_uuid(), f"once-{new_uuid().hex}@example.org"
    once = kms.call(Enrol(vault.app_key, user, login), Enrolled).one_time_password
    assert once is not None

    with pytest.raises(DataKeyChangeRefusedError):
        kms.call(AddDataKey(user, once), DataKeyAdded)
    operator = kms_client(KmsClientSettings(url=vault.socket("operator")))
    operator.call(DemandDataKeys((user,)), DataKeysDemanded)
    operator.close()

    opened = kms.call(Unlock(vault.app_key, login, once), Unlocked)
    assert (opened.must_change, opened.change_data_key) == (True, False)


def test_what_changes_password_or_login_carries_the_older_key_along(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    before = person.unlock()
    change(person)

    person.change_password(NEW)
    login = f"moved-{person.login}"
    person.kms.call(ChangeLogin(person.user, NEW, login), Done)

    moved = replace(person, login=login)
    assert older(moved.unlock()) == {before.dek_id: before.dek}
    with shared_service.db.connection() as conn:
        row = find_by_id(conn, person.user)
        ((dek, escrow),) = kept_escrows(conn, person.user)
    assert row is not None
    shared_service.wraps.rebind_escrow(  # opens the outer layer, which is bound to the login
        replace(row, dek=dek), escrow, shared_service.manifests.current(), login=login_of(row), pepper_gen=1
    )


def test_a_recovery_code_ends_and_one_made_since_opens_both(vault: Vault, person: Person) -> None:
    before = person.unlock()

    def code() -> str:
        return person.kms.call(CreateRecoveryCode(person.user, PASSWORD), RecoveryCodeIs).code

    def redeem(kept: str) -> None:
        person.kms.call(RedeemRecoveryCode(vault.app_key, person.login, kept, NEW), CodeRedeemed)

    first = code()
    change(person)
    with pytest.raises(LoginRefusedError):
        redeem(first)
    redeem(code())

    assert older(person.unlock(NEW)) == {before.dek_id: before.dek}


def test_whoever_changes_the_key_knows_the_password_and_needs_no_regain(vault: Vault, person: Person) -> None:
    begun = person.kms.call(BeginRecovery(vault.app_key, new_uuid(), person.login, NEW), RecoveryBegun)

    change(person)

    status = person.kms.call(RecoveryStatus(vault.app_key, begun.case_id), RecoveryStatusIs)
    assert status.state == "cancelled"


def test_an_erasure_destroys_the_older_key_too(person: Person) -> None:
    change(person)
    person.kms.call(Erase(person.user, PASSWORD), Done)
    assert deks(person) == 0


@pytest.mark.parametrize("column", ["kept", "dek_check", "moved"])
def test_an_older_key_that_was_altered_or_moved_does_not_keep_its_user_out(
    vault: Vault, person: Person, column: str
) -> None:
    other = enrol(vault, person.kms)
    opened = [person.unlock(), other.unlock()]
    change(person)
    change(other)
    statements = {
        "kept": "UPDATE deks SET kept = set_byte(kept, 50, get_byte(kept, 50) # 1) WHERE dek_id = %(dek)s",
        "dek_check": "UPDATE deks SET dek_check = sha256(dek_check) WHERE dek_id = %(dek)s",
        "moved": """UPDATE deks SET kept = (SELECT kept FROM deks WHERE dek_id = %(other)s)
                    WHERE dek_id = %(dek)s""",
    }
    with vault.keys.superuser() as conn:
        values = {"dek": opened[0].dek_id, "other": opened[1].dek_id}
        conn.execute(statements[column].encode(), values)

    assert person.unlock().older == ()

    assert K.WRAP_INTEGRITY_FAILED in events(person)
    assert older(other.unlock()) == {opened[1].dek_id: opened[1].dek}
    with pytest.raises(VaultError) as refused:  # it could not be kept under the next one
        change(person)
    assert refused.value.code == "integrity"


def test_a_change_that_comes_between_two_looks_is_no_tampering(
    shared_service: KeyService, person: Person
) -> None:
    """A sign-in read its user's row, then the key was changed; it does not know what is kept by now."""
    change(person)
    opened = person.unlock()
    with shared_service.db.connection() as conn:
        row = find_by_id(conn, person.user)
    assert row is not None
    dek = Dek(row.tenant, row.user, row.dek, opened.dek)
    assert [each.dek_id for each in older_keys(shared_service, row, dek)] == list(older(opened))
    change(person)

    assert older_keys(shared_service, row, dek) == ()

    assert K.WRAP_INTEGRITY_FAILED not in events(person)


def test_dropping_a_key_and_a_rotation_of_the_escrow_key_do_not_wait_for_one_another(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    """A rotation has the wrap's lock first and then wants its data key's row."""
    opened = person.unlock()
    change(person)
    with ThreadPoolExecutor(1) as pool, vault.keys.superuser() as rotation:
        rotation.autocommit = False
        rotation.execute("SELECT FROM escrow_wraps WHERE user_id = %s FOR UPDATE", (person.user,))
        dropped = pool.submit(drop, person, opened.dek_id, person.unlock().unlock_id)
        until(lambda: waits(vault))
        rotation.execute("SELECT FROM deks WHERE user_id = %s FOR UPDATE NOWAIT", (person.user,))
        rotation.rollback()
        dropped.result()
    assert deks(person) == 1


def waits(vault: Vault) -> bool:
    with vault.keys.superuser() as conn:
        return bool(
            conn.execute(
                """SELECT FROM pg_stat_activity WHERE usename = 'vault_kms' AND wait_event_type = 'Lock'
                   AND datname = current_database()"""
            ).fetchall()
        )


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def test_an_operator_demands_a_new_key_of_whoever_there_is(vault: Vault, person: Person) -> None:
    nobody = new_uuid()
    operator = kms_client(KmsClientSettings(url=vault.socket("operator")))
    for _ in range(2):
        answer = operator.call(DemandDataKeys((person.user, nobody)), DataKeysDemanded)
        assert (answer.demanded, answer.unknown) == (1, (nobody,))
    operator.close()
    assert person.unlock().change_data_key

    change(person)

    assert not person.unlock().change_data_key
    with pytest.raises(DataKeyChangeRefusedError):  # another sign-in that saw the demand was slower
        person.kms.call(AddDataKey(person.user, PASSWORD, demanded=True), DataKeyAdded)
    assert events(person).count(K.DATA_KEY_ROTATION_DEMANDED) == 2


def test_no_key_stands_in_a_traceback(person: Person) -> None:
    before = person.unlock()
    change(person)
    opened = person.unlock()
    for each in opened.older:
        assert before.dek.hex() not in repr(each)
        assert repr(before.dek) not in repr(each)
    assert msgspec.structs.asdict(opened.older[0])["dek"] == before.dek
