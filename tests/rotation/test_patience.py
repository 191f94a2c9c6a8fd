"""A worker of rotations lives for months: what once went wrong neither slows nor silences a later fault."""

from vault_service.rotation.runner import Patience

AWAY = "database.unavailable"


def test_while_the_same_goes_wrong_it_waits_longer_each_time_and_says_it_once() -> None:
    patience = Patience()

    ends = [patience.after(AWAY, lasted_s=0.1) for _ in range(7)]

    assert ends == [
        (0.5, True), (1.0, False), (2.0, False), (4.0, False), (8.0, False), (10.0, False), (10.0, False),
    ]  # fmt: skip


def test_something_else_is_said_at_once() -> None:
    patience = Patience()
    patience.after(AWAY, lasted_s=0.1)

    assert patience.after("ValueError", lasted_s=0.1) == (1.0, True)


def test_after_a_session_that_lasted_it_begins_anew_and_says_so_again() -> None:
    patience = Patience()
    for _ in range(7):
        patience.after(AWAY, lasted_s=0.1)

    assert patience.after(AWAY, lasted_s=86_400.0) == (0.5, True)
    assert patience.after(AWAY, lasted_s=0.1) == (1.0, False)
