"""A session opens the user's key for whoever holds its token, as long as it lives, and for nobody else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import LiteralString

import pytest

from tests.records.signed_in import APP, POLICIES, Records, Somebody
from vault_service.domain.errors import SessionRefusedError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import RecordId, SessionId, UserId, new_uuid
from vault_service.domain.tokens import SessionToken, new_secret
from vault_service.records.service import commit
from vault_service.records.write import begin_change
from vault_service.sessions.open import open_session
from vault_service.storage.records.changes import Change, RecordEvent
from vault_service.storage.records.users import raise_floor

IDLE = POLICIES.sessions.idle_timeout_s
ABSOLUTE = POLICIES.sessions.absolute_timeout_s
MINE: LiteralString = " WHERE user_id = %(user)s AND session_id = %(session)s"


def test_the_token_opens_the_users_key(records: Records, ana: Somebody) -> None:
    session = open_session(records.db, ana.token, records.clock())

    assert session.dek == ana.dek
    assert (session.user, session.tenant, session.session) == (ana.user, ana.dek.tenant, ana.token.session)
    assert (session.app, session.epoch, session.must_change) == (APP, 1, False)


def test_neither_key_nor_secret_is_stored_or_shown(records: Records, ana: Somebody) -> None:
    """P2: what the database holds opens nothing without the token."""
    ((row,),) = records.sql("SELECT s::text FROM sessions s WHERE user_id = %(user)s", user=ana.user)
    session = open_session(records.db, ana.token, records.clock())

    for secret in (ana.dek.key, ana.token.secret):
        assert secret.hex() not in row
        assert repr(secret) not in repr(session) + repr(ana.token)
        assert secret.hex() not in repr(session) + repr(ana.token)


def end(records: Records, who: Somebody) -> None:
    records.sql("DELETE FROM sessions WHERE user_id = %(user)s", user=who.user)


def lift_floor(records: Records, who: Somebody) -> None:
    with records.db.transaction() as conn:
        raise_floor(conn, who.user, 2)


DEATHS: dict[str, Callable[[Records, Somebody], object]] = {
    "it ended": end,
    "a higher epoch": lift_floor,
    "idle for too long": lambda records, _: records.clock.move(seconds=IDLE),
    "too old": lambda records, _: records.clock.move(seconds=ABSOLUTE),
    "the user is erased": lambda records, who: records.sql(
        "DELETE FROM users WHERE user_id = %(user)s", user=who.user
    ),
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_dead_session_does_nothing_and_leaves_no_event(
    records: Records, ana: Somebody, death: Callable[[Records, Somebody], object]
) -> None:
    death(records, ana)

    everything: list[Callable[[], object]] = [
        lambda: open_session(records.db, ana.token, records.clock()),
        lambda: records.store.create(ana.token, "notes", b"{}"),
        lambda: records.store.read(ana.token, RecordId(new_uuid())),
        lambda: records.store.replace(ana.token, RecordId(new_uuid()), b"{}"),
        lambda: records.store.delete(ana.token, RecordId(new_uuid())),
        lambda: records.store.find(ana.token),
        lambda: records.store.batch(ana.token, []),
        lambda: next(records.store.export(ana.token)),
    ]
    for attempt in everything:
        with pytest.raises(SessionRefusedError):
            attempt()
    assert not records.events(ana)


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_session_that_dies_while_a_change_is_prepared_stops_it(
    records: Records, ana: Somebody, death: Callable[[Records, Somebody], object]
) -> None:
    """The statement that writes looks for itself."""
    session, _ = begin_change(records.store.parts, ana.token, records.clock())
    death(records, ana)

    change = Change(session.dek.dek, (RecordEvent(RecordsEvent.RECORD_READ, RecordId(new_uuid())),))
    with pytest.raises(SessionRefusedError):
        commit(records.store.parts, session, change, records.clock())

    assert not records.events(ana)


STRANGERS: dict[str, Callable[[SessionToken, SessionToken], SessionToken]] = {
    "another secret": lambda mine, _: replace(mine, secret=new_secret()),
    "another's secret": lambda mine, other: replace(mine, secret=other.secret),
    "another session": lambda mine, _: replace(mine, session=SessionId(new_uuid())),
    "another's session": lambda mine, other: replace(mine, session=other.session),
    "another user": lambda mine, _: replace(mine, user=UserId(new_uuid())),
    "another's user": lambda mine, other: replace(mine, user=other.user),
}


@pytest.mark.parametrize("forge", STRANGERS.values(), ids=STRANGERS)
def test_ids_without_the_secret_open_nothing_and_forge_no_event(
    records: Records, ana: Somebody, forge: Callable[[SessionToken, SessionToken], SessionToken]
) -> None:
    bob = records.sign_up()
    kept = records.keep(ana)
    before = records.events(ana)
    token = forge(ana.token, bob.token)

    for attempt in (
        lambda: open_session(records.db, token, records.clock()),
        lambda: records.store.read(token, kept.record),
        lambda: records.store.create(token, "notes", b"{}"),
    ):
        with pytest.raises(SessionRefusedError):
            attempt()

    assert records.events(ana) == before
    assert not records.events(bob)


ATTACKS: dict[str, LiteralString] = {
    "the wrap's version": "UPDATE sessions SET dek_wrap = set_byte(dek_wrap, 0, 2)" + MINE,
    "the wrap's commitment": "UPDATE sessions SET dek_wrap = set_byte(dek_wrap, 9, get_byte(dek_wrap, 9) # 1)"
    + MINE,
    "the wrap's nonce": "UPDATE sessions SET dek_wrap = set_byte(dek_wrap, 33, get_byte(dek_wrap, 33) # 1)"
    + MINE,
    "the wrapped key": "UPDATE sessions SET dek_wrap = set_byte(dek_wrap, 45, get_byte(dek_wrap, 45) # 1)"
    + MINE,
    "the wrap's tag": "UPDATE sessions SET dek_wrap = set_byte(dek_wrap, 92, get_byte(dek_wrap, 92) # 1)"
    + MINE,
    "the wrap of another session": "UPDATE sessions SET dek_wrap = "
    "(SELECT dek_wrap FROM sessions WHERE session_id = %(second)s)" + MINE,
    "the wrap of another user": "UPDATE sessions SET dek_wrap = "
    "(SELECT dek_wrap FROM sessions WHERE session_id = %(his)s)" + MINE,
    "the key's id": "UPDATE sessions SET dek_id = gen_random_uuid()" + MINE,
    "the tenant": "UPDATE users SET tenant_id = gen_random_uuid() WHERE user_id = %(user)s",
    "the secret's hash": "UPDATE sessions SET secret_hash = sha256('')" + MINE,
    "the epoch": "UPDATE sessions SET epoch = 2" + MINE,
    "the floor": "UPDATE users SET epoch = 2 WHERE user_id = %(user)s",
    "another session's id": "WITH gone AS (DELETE FROM sessions" + MINE + " RETURNING user_id) "
    "UPDATE sessions s SET session_id = gen_random_uuid() FROM gone WHERE s.user_id = gone.user_id",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_altered_session_does_not_open(records: Records, ana: Somebody, attack: LiteralString) -> None:
    second, bob = records.sign_in(ana.dek), records.sign_up()

    records.sql(
        attack, user=ana.user, session=ana.token.session, second=second.session, his=bob.token.session
    )

    with pytest.raises(SessionRefusedError):
        open_session(records.db, ana.token, records.clock())
    assert open_session(records.db, bob.token, records.clock()).dek == bob.dek


@pytest.mark.parametrize("attack", [name for name in ATTACKS if "wrap" in name or "key" in name])
def test_an_altered_wrap_is_refused_with_an_event(records: Records, ana: Somebody, attack: str) -> None:
    """The secret is right, so it is not a stranger's guess: somebody changed the row."""
    second, bob = records.sign_in(ana.dek), records.sign_up()
    records.sql(
        ATTACKS[attack], user=ana.user, session=ana.token.session, second=second.session,
        his=bob.token.session,
    )  # fmt: skip

    for attempt in (
        lambda: open_session(records.db, ana.token, records.clock()),
        lambda: records.store.create(ana.token, "notes", b"{}"),
        lambda: records.store.read(ana.token, RecordId(new_uuid())),
    ):
        with pytest.raises(SessionRefusedError):
            attempt()

    assert records.events(ana)["record_integrity_failed"] == 3


def test_an_epoch_raised_on_both_sides_does_not_open_an_old_wrap(records: Records, ana: Somebody) -> None:
    """The epoch is bound into the wrap: a session cannot be carried over a change of password in SQL."""
    records.sql("UPDATE users SET epoch = 2 WHERE user_id = %(user)s", user=ana.user)
    records.sql("UPDATE sessions SET epoch = 2 WHERE user_id = %(user)s", user=ana.user)

    with pytest.raises(SessionRefusedError):
        open_session(records.db, ana.token, records.clock())


def test_a_used_session_does_not_idle_but_ends_in_time(records: Records, ana: Somebody) -> None:
    begun = records.clock()
    while records.clock() + timedelta(seconds=IDLE) < begun + timedelta(seconds=ABSOLUTE):
        records.clock.move(seconds=IDLE - 1)
        records.store.find(ana.token)

    records.clock.now = begun + timedelta(seconds=ABSOLUTE - 1)
    records.store.find(ana.token)
    records.clock.now = begun + timedelta(seconds=ABSOLUTE)
    with pytest.raises(SessionRefusedError):
        records.store.find(ana.token)


def test_a_session_with_a_short_idle_time_lasts_while_it_is_used(records: Records, ana: Somebody) -> None:
    """Its clock moves more often than once a minute: else it would end under the hands of whoever uses it."""
    records.sql("UPDATE sessions SET idle_s = 60 WHERE user_id = %(user)s", user=ana.user)

    for _ in range(10):
        records.clock.move(seconds=30)
        records.store.find(ana.token)

    records.clock.move(seconds=60)
    with pytest.raises(SessionRefusedError):
        records.store.find(ana.token)


@pytest.mark.parametrize("way", ["open", "read", "create", "find"])
def test_the_idle_clock_is_moved_at_most_once_a_minute(records: Records, ana: Somebody, way: str) -> None:
    """So that reading does not write a row each time."""
    kept = records.keep(ana, b"{}", "notes")
    begun = records.clock()
    use: dict[str, Callable[[], object]] = {
        "open": lambda: open_session(records.db, ana.token, records.clock()),
        "read": lambda: records.store.read(ana.token, kept.record),
        "create": lambda: records.keep(ana, b"{}", "notes"),
        "find": lambda: records.store.find(ana.token),
    }
    seen = []
    for seconds in (30, 30, 1, 59):
        records.clock.move(seconds=seconds)
        use[way]()
        ((last_seen,),) = records.sql(
            "SELECT last_seen FROM sessions WHERE user_id = %(user)s", user=ana.user
        )
        seen.append((last_seen - begun).total_seconds())

    assert seen == [0, 0, 61, 61]
