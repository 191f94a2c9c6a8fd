"""My sessions: I see those that live, and end them one by one or all at once."""

import pytest

from tests.records.signed_in import POLICIES, Records, Somebody
from vault_service.domain.errors import NotFoundError, SessionRefusedError
from vault_service.domain.ids import SessionId, new_uuid
from vault_service.domain.tokens import SessionToken
from vault_service.sessions.end import end_current, end_everywhere, end_one
from vault_service.sessions.list import my_sessions
from vault_service.sessions.open import open_session
from vault_service.storage.records.sessions import trim_sessions


def lives(records: Records, token: SessionToken) -> bool:
    try:
        open_session(records.db, token, records.clock())
    except SessionRefusedError:
        return False
    return True


def test_i_see_my_living_sessions_newest_first(records: Records, ana: Somebody) -> None:
    records.sign_up()
    records.clock.move(seconds=POLICIES.sessions.idle_timeout_s - 10)
    second = records.sign_in(ana.dek)
    third = records.sign_in(ana.dek)
    begun = records.clock()
    records.clock.move(seconds=70)  # the first has been idle for too long

    listed = my_sessions(records.db, third, records.clock())

    assert [(each.session, each.current, each.app) for each in listed] == [
        (third.session, True, "demo"),
        (second.session, False, "demo"),
    ]
    assert [each.last_seen for each in listed] == [records.clock(), begun]
    assert {each.created_at for each in listed} == {begun}


def test_a_session_of_an_older_password_is_not_shown_as_one_that_lives(
    records: Records, ana: Somebody
) -> None:
    """A crash may leave its row until the worker comes; the floor is what ends it."""
    newer = records.sign_in(ana.dek, epoch=2)

    listed = my_sessions(records.db, newer, records.clock())

    assert not lives(records, ana.token)
    assert [each.session for each in listed] == [newer.session]


def test_i_end_one_of_my_sessions(records: Records, ana: Somebody) -> None:
    second = records.sign_in(ana.dek)

    end_one(records.db, ana.token, second.session, records.clock())

    assert (lives(records, ana.token), lives(records, second)) == (True, False)
    assert records.sql(
        "SELECT session_id FROM audit_events WHERE user_id = %(user)s AND kind = 3", user=ana.user
    ) == [(second.session,)]


def test_i_cannot_end_somebody_elses_session(records: Records, ana: Somebody) -> None:
    bob = records.sign_up()

    for session in (bob.token.session, SessionId(new_uuid())):
        with pytest.raises(NotFoundError):
            end_one(records.db, ana.token, session, records.clock())

    assert lives(records, bob.token)
    assert not records.events(ana)
    assert not records.events(bob)


def test_i_sign_out_here(records: Records, ana: Somebody) -> None:
    second = records.sign_in(ana.dek)

    end_current(records.db, ana.token, records.clock())

    assert (lives(records, ana.token), lives(records, second)) == (False, True)
    assert records.events(ana) == {"session_ended": 1}
    with pytest.raises(SessionRefusedError):
        end_current(records.db, ana.token, records.clock())


def test_i_sign_out_everywhere(records: Records, ana: Somebody) -> None:
    bob = records.sign_up()
    others = [records.sign_in(ana.dek) for _ in range(3)]

    assert end_everywhere(records.db, ana.token, records.clock()) == 4

    assert not any(lives(records, token) for token in (ana.token, *others))
    assert lives(records, bob.token)
    assert records.events(ana) == {"sessions_ended": 1}
    assert records.sql("SELECT n FROM audit_events WHERE user_id = %(user)s", user=ana.user) == [(4,)]


def test_a_one_time_password_can_sign_out(records: Records, ana: Somebody) -> None:
    token = records.sign_in(ana.dek, must_change=True)

    end_current(records.db, token, records.clock())

    assert not lives(records, token)


def test_the_oldest_sessions_make_room(records: Records, ana: Somebody) -> None:
    bob = records.sign_up()
    tokens = [ana.token, *(records.sign_in(ana.dek) for _ in range(4))]
    with records.db.transaction() as conn:
        trimmed = trim_sessions(conn, ana.user, 2)

    assert trimmed == 3
    assert [lives(records, token) for token in tokens] == [False, False, False, True, True]
    assert lives(records, bob.token)
