"""What the key service stores of a rotation of the escrow key, and what it leaves as it is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import pytest

from tests.kms.chains import key_service
from tests.kms.escrow_keys import Rotating, new_escrow_key
from tests.rig.people import Person, enrol, kms_of
from tests.rig.postgres import TestServer
from tests.rig.vault import Vault, vault_of_its_own
from vault_service.domain.errors import ConcurrentChangeError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.protocol.messages import ChangeLogin, Done
from vault_service.kms.rotation.escrow_rotation import demand_target
from vault_service.kms.service import KeyService

PEOPLE = 5


@pytest.fixture(scope="module")
def small(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault that has these people and nobody else."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture(scope="module")
def people(small: Vault) -> list[Person]:
    return sorted((enrol(small, kms_of(small)) for _ in range(PEOPLE)), key=lambda person: person.user)


@pytest.fixture(scope="module")
def keys(small: Vault, people: list[Person]) -> Iterator[KeyService]:
    assert people
    with key_service(small) as service:
        yield service


@pytest.fixture
def rotating(small: Vault, keys: KeyService, people: list[Person]) -> Rotating:
    return Rotating.begun(small, keys, people)


def rows(vault: Vault, columns: LiteralString) -> list[tuple[Any, ...]]:
    with vault.keys.superuser() as conn:
        return conn.execute(
            "SELECT " + columns + " FROM escrow_wraps e JOIN deks d USING (user_id, dek_id) ORDER BY 1"
        ).fetchall()


def sql(vault: Vault, statement: LiteralString, **values: object) -> list[tuple[Any, ...]]:
    with vault.keys.superuser() as conn:
        done = conn.execute(statement, values)
        return done.fetchall() if done.description else []


def events(vault: Vault, *kinds: K) -> list[K]:
    numbers = [int(kind) for kind in kinds]
    found = sql(vault, "SELECT kind FROM audit_events WHERE kind = ANY(%(k)s) ORDER BY event_id", k=numbers)
    return [K(row[0]) for row in found]


def test_wraps_move_to_the_new_key_and_nothing_else_of_their_rows_changes(
    small: Vault, rotating: Rotating
) -> None:
    columns: LiteralString = "user_id, dek_id, e.created_at, d.created_at, dek_check"
    before = rows(small, columns)
    page = rotating.peel(2)
    assert len(page) == 2
    assert all(wrap.wrap is not None and wrap.escrow_gen < rotating.target.gen for wrap in page)

    assert rotating.store(*map(rotating.resealed, page)).rewrapped == 2
    assert rotating.rest().rewrapped == PEOPLE - 2
    assert rotating.rest().rewrapped == 0
    rotating.complete()

    assert {row[1:] for row in rows(small, "user_id, e.escrow_gen, d.escrow_gen")} == {
        (rotating.target.gen, rotating.target.gen)
    }
    assert rows(small, columns) == before
    assert rotating.file.state == "executed"
    assert events(small, K.ROTATION_STARTED, K.ROTATION_FINISHED)[-2:] == [
        K.ROTATION_STARTED, K.ROTATION_FINISHED,
    ]  # fmt: skip
    assert sql(
        small, "SELECT state, looked_at, rewrapped FROM rotations ORDER BY started_at DESC LIMIT 1"
    ) == [("finished", PEOPLE, PEOPLE)]


def test_a_page_holds_all_wraps_of_a_user(small: Vault, rotating: Rotating, people: list[Person]) -> None:
    """A kept data key has an escrow wrap of its own."""
    with small.keys.superuser() as conn, conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute(
            """INSERT INTO deks SELECT user_id, gen_random_uuid(), dek_check, escrow_gen, created_at
               FROM deks WHERE user_id = %(u)s""",
            {"u": people[0].user},
        )
        conn.execute(
            """INSERT INTO escrow_wraps
               SELECT e.user_id, d.dek_id, e.escrow_gen, pepper_gen, wrap, e.created_at
               FROM escrow_wraps e JOIN deks d USING (user_id) WHERE e.dek_id <> d.dek_id
               AND e.user_id = %(u)s""",
            {"u": people[0].user},
        )
    try:
        page = rotating.peel(1)
        assert [wrap.user_id for wrap in page] == [people[0].user] * 2
        assert len({wrap.dek_id for wrap in page}) == 2
        assert rotating.rest().rewrapped == PEOPLE + 1
    finally:
        with small.keys.superuser() as conn, conn.transaction():
            conn.execute("SET LOCAL session_replication_role = replica")
            conn.execute("DELETE FROM escrow_wraps WHERE dek_id NOT IN (SELECT dek_id FROM users)")
            conn.execute("DELETE FROM deks WHERE dek_id NOT IN (SELECT dek_id FROM users)")
    rotating.complete()


def test_whoever_changed_a_wrap_meanwhile_wins_and_it_comes_up_again(
    small: Vault, keys: KeyService, rotating: Rotating, people: list[Person]
) -> None:
    person = people[1]
    page = rotating.peel()
    new = [rotating.resealed(wrap) for wrap in page]
    old = sql(small, "SELECT wrap FROM escrow_wraps WHERE user_id = %(u)s", u=person.user)
    changed_in_between(keys, lambda: move(small, person))

    stored = rotating.store(*new)

    assert (stored.rewrapped, stored.lost) == (PEOPLE - 1, 1)
    assert sql(small, "SELECT wrap FROM escrow_wraps WHERE user_id = %(u)s", u=person.user) != old
    assert [wrap.user_id for wrap in rotating.peel()] == [person.user]
    with pytest.raises(ConcurrentChangeError, match="older escrow key"):
        rotating.complete()
    assert rotating.file.state == "executing"
    assert rotating.rest().rewrapped == 1
    rotating.complete()
    assert person.opens_with(person.password)


def move(vault: Vault, person: Person) -> None:
    """Another login: every outer layer is bound to it."""
    login = f"moved-{new_uuid().hex[-8:]}@example.org"
    kms_of(vault).call(ChangeLogin(person.user, person.password, login), Done)
    person.login = login


def changed_in_between(service: KeyService, change: Callable[[], None]) -> None:
    """Once the old wraps are read and before the new ones are written: where the token is asked."""
    real, token = service.keyring.token.hmac_many, service.keyring.token

    def then(wanted: Any) -> list[bytes]:
        token.hmac_many = real  # type: ignore[method-assign]  # once
        change()
        return real(wanted)

    token.hmac_many = then  # type: ignore[method-assign]  # the token's own work is done all the same


def test_a_wrap_that_does_not_open_is_listed_once_left_alone_and_forgotten_when_put_right(
    small: Vault, rotating: Rotating, people: list[Person]
) -> None:
    person = people[2]
    broken: LiteralString = "UPDATE escrow_wraps SET wrap = set_byte(wrap, 90, get_byte(wrap, 90) # 1) "
    broken += "WHERE user_id = %(u)s"
    failed: LiteralString = "SELECT user_id, wrap FROM rotation_failures"
    sql(small, "DELETE FROM rotation_failures")  # what other tests have left
    sql(small, broken, u=person.user)
    before = len(events(small, K.WRAP_INTEGRITY_FAILED))
    page = rotating.peel()
    assert [wrap.user_id for wrap in page if wrap.wrap is None] == [person.user]

    opened = [rotating.resealed(wrap) for wrap in page if wrap.wrap is not None]
    assert rotating.store(*opened, failed=(person.user,)).rewrapped == PEOPLE - 1
    rotating.store(failed=(person.user,))

    assert sql(small, failed) == [(person.user, "escrow")]
    assert len(events(small, K.WRAP_INTEGRITY_FAILED)) == before + 1
    sql(small, broken, u=person.user)  # put right again
    assert rotating.rest().rewrapped == 1
    assert sql(small, failed) == []
    rotating.complete()


def test_what_does_not_open_does_not_keep_a_rotation_from_its_end(
    small: Vault, keys: KeyService, rotating: Rotating, people: list[Person]
) -> None:
    person = people[0]
    page = rotating.peel()
    rotating.store(*map(rotating.resealed, page[1:]), failed=(UserId(page[0].user_id),))
    assert page[0].user_id == person.user

    rotating.complete()

    assert rows(small, "user_id, e.escrow_gen")[0][1] < rotating.target.gen
    again = Rotating.begun(small, keys, people)
    assert again.rest().rewrapped == PEOPLE
    again.complete()


def test_another_escrow_key_that_becomes_current_between_two_steps_makes_no_wrap_of_two_keys(
    small: Vault, keys: KeyService, rotating: Rotating, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its inner layer for one escrow key and its outer one for the next: nothing would open it any more."""

    def and_then(*known: Any) -> int:
        target = demand_target(*known)
        new_escrow_key(small, keys)
        return target

    wraps = [rotating.resealed(wrap) for wrap in rotating.peel()]
    with monkeypatch.context() as patched:
        patched.setattr("vault_service.kms.rotation.rewrap_escrow.demand_target", and_then)
        assert rotating.store(*wraps).rewrapped == PEOPLE

    again = Rotating.begun(small, keys, people)
    assert [wrap.wrap is not None for wrap in again.peel()] == [True] * PEOPLE
    again.rest()
    again.complete()


@pytest.mark.parametrize("on", ["the current key", "an older key"])
def test_a_second_wrap_of_a_data_key_is_told_and_holds_up_nobody_else(
    small: Vault, keys: KeyService, rotating: Rotating, people: list[Person], on: str
) -> None:
    """Put there in SQL, where the new one is to stand, or where no row of ours names it."""
    person, gen = people[3], rotating.target.gen
    if on == "an older key":
        sql(small, "INSERT INTO escrow_generations VALUES (%(g)s) ON CONFLICT DO NOTHING", g=0)
        gen = 0
    sql(
        small,
        """INSERT INTO escrow_wraps SELECT user_id, dek_id, %(g)s, pepper_gen, wrap, now()
           FROM escrow_wraps WHERE user_id = %(u)s""",
        u=person.user, g=gen,
    )  # fmt: skip
    try:
        done, told = 0, set[UserId]()
        for _ in range(3):
            page = rotating.peel()
            assert len({(wrap.user_id, wrap.dek_id) for wrap in page}) == len(page), "a ceremony refuses it"
            good = [wrap for wrap in page if wrap.dek_check and wrap.wrap]
            failed = tuple(UserId(wrap.user_id) for wrap in page if not (wrap.dek_check and wrap.wrap))
            told.update(failed)
            done += rotating.store(*map(rotating.resealed, good), failed=failed).rewrapped
        rotating.complete()
    finally:
        sql(
            small,
            "DELETE FROM escrow_wraps WHERE user_id = %(u)s AND escrow_gen = %(g)s",
            u=person.user,
            g=gen,
        )
        sql(small, "DELETE FROM escrow_generations WHERE gen = 0")
    assert done == PEOPLE - (on == "the current key")
    assert told == {person.user}
    again = Rotating.begun(small, keys, people)
    assert again.rest().rewrapped == PEOPLE
    again.complete()


def test_a_wrap_that_no_row_of_ours_names_is_told_as_one_that_does_not_open(
    small: Vault, rotating: Rotating, people: list[Person]
) -> None:
    """Put there in SQL: were it resealed, it would take the place of the DEK's own."""
    with small.keys.superuser() as conn, conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute(
            """INSERT INTO escrow_wraps SELECT user_id, gen_random_uuid(), escrow_gen, pepper_gen, wrap, now()
               FROM escrow_wraps WHERE user_id = %(u)s""",
            {"u": people[0].user},
        )
    page = rotating.peel()
    planted = [wrap for wrap in page if not wrap.dek_check]
    assert [wrap.user_id for wrap in planted] == [people[0].user]

    assert rotating.store(*map(rotating.resealed, page)).lost == 1

    sql(small, "DELETE FROM escrow_wraps WHERE dek_id = %(d)s", d=planted[0].dek_id)
    rotating.complete()
