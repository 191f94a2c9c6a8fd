"""A superuser of the keys database edits, moves and swaps: nothing opens, and the answer is a plain 401."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.rig.people import Person, enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import IntegrityError, LoginRefusedError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, ChangePassword, Done, EpochIs

Row = dict[str, Any]
Edit = Callable[[Vault, Person, Person], object]


def run(vault: Vault, statement: str, **values: object) -> list[Any]:
    """As superuser, with foreign keys and triggers off: no constraint stands in the attacker's way."""
    with vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")
        cursor = conn.execute(statement.encode(), values)
        return list(cursor.fetchall()) if cursor.description else []


def events(vault: Vault, person: Person) -> list[KeysEvent]:
    kinds = run(vault, "SELECT kind FROM audit_events WHERE user_id = %(u)s ORDER BY event_id", u=person.user)
    return [KeysEvent(kind) for (kind,) in kinds]


def swap(table: str, column: str) -> Edit:
    """Exchange one column between two users' rows."""

    def edit(vault: Vault, one: Person, other: Person) -> None:
        run(
            vault,
            f"""UPDATE {table} t SET {column} = s.{column} FROM {table} s
                WHERE t.user_id = %(one)s AND s.user_id = %(other)s""",
            one=one.user,
            other=other.user,
        )

    return edit


def change(table: str, assignment: str) -> Edit:
    """Alter a column of one user's row."""

    def edit(vault: Vault, one: Person, other: Person) -> None:
        del other
        run(vault, f"UPDATE {table} SET {assignment} WHERE user_id = %(one)s", one=one.user)

    return edit


def point_login_at(vault: Vault, one: Person, other: Person) -> None:
    """`one`'s login leads to `other`'s row: with one's password, or with other's, nothing may open."""
    run(
        vault,
        """UPDATE logins SET user_id = %(other)s WHERE user_id = %(one)s""",
        one=one.user,
        other=other.user,
    )


def flip(position: str) -> str:
    return f"wrap = set_byte(wrap, {position}, get_byte(wrap, {position}) # 1)"


# The outer layer of both wraps is sealed alike (crypto/seal.py).
FLIPPED = {
    "another version byte": flip("0"),
    "a flipped bit in the commitment": flip("5"),
    "a flipped bit in the nonce": flip("40"),
    "a flipped bit in the ciphertext": flip("100"),
    "a flipped bit in the tag": flip("length(wrap) - 1"),
}


EDITS: dict[str, Edit] = {
    "the wrap of another user": swap("credentials", "wrap"),
    "the salt of another user": swap("credentials", "salt"),
    "the check value of another user": swap("deks", "dek_check"),
    "the login index of another user": swap("users", "login_index"),
    "a login that leads to another user": point_login_at,
    **{what: change("credentials", flipped) for what, flipped in FLIPPED.items()},
    "a later epoch": change("credentials", "epoch = epoch + 1"),
    "an epoch below all": change("credentials", "epoch = -1"),
    "a pepper generation that there never was": change("credentials", "pepper_gen = 2"),
    "a pepper generation below all": change("credentials", "pepper_gen = -1"),
    "fewer iterations than the floor": change("credentials", "kdf_iterations = 1"),
    "less memory than the floor": change("credentials", "kdf_memory_kib = 8"),
    "more memory than the ceiling": change("credentials", "kdf_memory_kib = 2000000000"),
    "another cost within the limits": change("credentials", "kdf_iterations = 3"),
    "another tenant": change("users", "tenant_id = gen_random_uuid()"),
    "another generation of the login index": change("users", "login_index_gen = 2"),
    "a generation of the login index below all": change("users", "login_index_gen = -1"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_what_a_superuser_changes_in_the_keys_database_opens_nothing(
    vault: Vault, kms: KmsClient, edit: Edit
) -> None:
    one, other = enrol(vault, kms), enrol(vault, kms, PASSWORD + " of the other one")
    assert one.opens_with(one.password)

    edit(vault, one, other)

    for password in (one.password, other.password):
        with pytest.raises(LoginRefusedError) as refused:
            one.unlock(password)
        assert refused.value.detail == LoginRefusedError().detail


@pytest.mark.parametrize(
    "assignment",
    [FLIPPED["a flipped bit in the ciphertext"], "pepper_gen = 2", "pepper_gen = -1", "epoch = -1"],
)
def test_a_wrap_that_no_password_could_open_is_an_integrity_event(
    vault: Vault, kms: KmsClient, assignment: str
) -> None:
    person = enrol(vault, kms)
    change("credentials", assignment)(vault, person, person)

    assert not person.opens_with(person.password)

    assert events(vault, person)[-1] is KeysEvent.WRAP_INTEGRITY_FAILED


def test_a_whole_old_row_put_back_opens_with_the_old_password_but_tells_its_old_epoch(
    vault: Vault, kms: KmsClient
) -> None:
    """What the keys side alone cannot know, the API's floor refuses."""
    person = enrol(vault, kms)
    old_password = person.password
    run(vault, "CREATE TABLE IF NOT EXISTS stolen AS SELECT * FROM credentials WHERE false")
    run(vault, "INSERT INTO stolen SELECT * FROM credentials WHERE user_id = %(u)s", u=person.user)
    assert person.change_password(PASSWORD + " and a newer one") == 2

    run(vault, "DELETE FROM credentials WHERE user_id = %(u)s", u=person.user)
    run(vault, "INSERT INTO credentials SELECT * FROM stolen WHERE user_id = %(u)s", u=person.user)

    assert person.unlock(old_password).epoch == 1
    run(vault, "DROP TABLE stolen")


NEEDS_NO_PASSWORD: dict[str, Edit] = {
    "the escrow wrap of another user": swap("escrow_wraps", "wrap"),
    **{what: change("escrow_wraps", flipped) for what, flipped in FLIPPED.items()},
    "a pepper generation that there never was": change("escrow_wraps", "pepper_gen = 2"),
    "a pepper generation below all": change("escrow_wraps", "pepper_gen = -1"),
    "an escrow generation that there never was": lambda vault, one, _: run(
        vault,
        """WITH e AS (UPDATE escrow_wraps SET escrow_gen = 7 WHERE user_id = %(u)s)
           UPDATE deks SET escrow_gen = 7 WHERE user_id = %(u)s""",
        u=one.user,
    ),
}


@pytest.mark.parametrize("edit", NEEDS_NO_PASSWORD.values(), ids=NEEDS_NO_PASSWORD.keys())
def test_a_tampered_escrow_wrap_is_noticed_at_a_change_of_login_and_is_an_event(
    vault: Vault, kms: KmsClient, edit: Edit
) -> None:
    one, other = enrol(vault, kms), enrol(vault, kms)
    edit(vault, one, other)

    with pytest.raises(IntegrityError):
        kms.call(ChangeLogin(one.user, one.password, f"moved-{new_uuid().hex}@example.org"), Done)

    assert events(vault, one)[-1] is KeysEvent.WRAP_INTEGRITY_FAILED
    assert one.opens_with(one.password)


@pytest.mark.parametrize(
    "edit",
    [
        swap("users", "sealed_login"),
        change("users", "sealed_login = 'x'"),
        change("users", "pepper_gen = 2"),
        change("users", "pepper_gen = -1"),
    ],
)
def test_a_tampered_login_is_noticed_at_a_change_of_password_and_is_an_event(
    vault: Vault, kms: KmsClient, edit: Edit
) -> None:
    one, other = enrol(vault, kms), enrol(vault, kms)
    edit(vault, one, other)

    with pytest.raises(IntegrityError):
        kms.call(ChangePassword(one.user, one.password, PASSWORD + " anew"), EpochIs)

    assert events(vault, one)[-1] is KeysEvent.WRAP_INTEGRITY_FAILED
    assert one.opens_with(one.password)
