"""A challenge that a visitor keeps is good for one sign-in, soon, in one browser, at one process."""

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from vault_service.console.challenges import BEGINS, Challenges
from vault_service.domain.web_errors import IntentGoneError


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def challenges() -> Challenges:
    return Challenges(110, Clock())


def refuses(challenges: Challenges, challenge_id: str, session: str | None = None) -> bool:
    try:
        challenges.opened(challenge_id, session)
    except IntentGoneError:
        return True
    return False


def test_what_was_issued_is_known_again(challenges: Challenges) -> None:
    made, nonce = challenges.issue(None)
    other, another = challenges.issue("a session's")

    assert challenges.opened(made, None) == (nonce, "")
    assert nonce != another
    assert challenges.opened(other, "a session's") == (another, "")


def test_it_is_good_in_its_own_session_only(challenges: Challenges) -> None:
    (visitors, _), (officers, _) = challenges.issue(None), challenges.issue("one")

    assert refuses(challenges, visitors, "one")
    assert refuses(challenges, officers, "two")
    assert refuses(challenges, officers, None)
    assert not refuses(challenges, officers, "one")


def test_it_is_good_for_a_while(challenges: Challenges) -> None:
    clock = Clock()
    challenges.clock = clock
    made, _ = challenges.issue(None)

    clock.now += 110
    assert not refuses(challenges, made)
    clock.now += 0.01
    assert refuses(challenges, made)


def test_another_process_knows_nothing_of_it(challenges: Challenges) -> None:
    made, _ = challenges.issue(None)

    assert refuses(Challenges(110, Clock()), made)


def test_no_bit_of_it_may_be_changed(challenges: Challenges) -> None:
    """Least of all its time, or where it leads."""
    made, nonce = challenges.issue(None, "/cases")
    assert challenges.opened(made, None) == (nonce, "/cases")
    raw = base64.urlsafe_b64decode(made.removeprefix(BEGINS))

    for at in range(len(raw)):
        edited = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        assert refuses(challenges, BEGINS + base64.urlsafe_b64encode(edited).decode())
    for rubbish in ("", "=", "ä", "A" * 5, "A" * 5000, made[:-4], made + "AAAA"):
        assert refuses(challenges, BEGINS + rubbish.removeprefix(BEGINS))


def test_it_counts_once_however_its_id_is_written(challenges: Challenges) -> None:
    made, nonce = challenges.issue(None)
    challenges.use(nonce)

    for written in (made, f"{made}\n", made[:20] + "!" + made[20:]):
        assert refuses(challenges, written)
    with pytest.raises(IntentGoneError):
        challenges.use(nonce)


def test_of_many_who_hand_it_in_at_once_one_is_first(challenges: Challenges) -> None:
    _, nonce = challenges.issue(None)

    def use(_: int) -> bool:
        try:
            challenges.use(nonce)
        except IntentGoneError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(64))) == 1


def test_a_used_one_is_remembered_as_long_as_it_would_be_good_and_no_longer(challenges: Challenges) -> None:
    clock = Clock()
    challenges.clock = clock
    for _ in range(50):
        challenges.use(challenges.issue(None)[1])
    made, nonce = challenges.issue(None)
    clock.now += 60
    challenges.use(nonce)
    clock.now += 50
    assert refuses(challenges, made)

    clock.now += 70
    challenges.use(challenges.issue(None)[1])
    assert len(challenges._used) == 1
