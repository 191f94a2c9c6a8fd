"""A token that goes away, hangs or is exchanged: callers are refused at once, and it comes back by itself."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kms.token_fixtures import (
    OpenToken,
    SoftToken,
    answers,
    be_hasty,
    prepare,
    start_program,
    wait_until,
)
from tests.kms.token_lockers import all_files_locked
from vault_service.domain.errors import TokenHangsError, TokenUnavailableError, WrongTokenError
from vault_service.kms.token.lock import token_lock
from vault_service.kms.token.online import OnlineToken


def unplug(token: SoftToken) -> Path:
    """What pulling a cable is to a real one."""
    return token.objects.rename(token.home / "away")


def plug_in(token: SoftToken, objects: Path) -> None:
    objects.rename(token.objects)


OPERATIONS: dict[str, Callable[[OnlineToken], object]] = {
    "hmac": lambda token: token.hmac("pepper/1", b"message"),
    "sign": lambda token: token.sign("manifest/1", b"message"),
    "public_key": lambda token: token.public_key("manifest/1"),
    "has_key": lambda token: token.has_key("pepper/1"),
    "ping": lambda token: token.ping(),
    "create": lambda token: token.create_hmac_key("pepper/2"),
}


@pytest.fixture
def keys(online: OnlineToken) -> OnlineToken:
    """An open token with a key of each kind, each of them used once."""
    online.create_hmac_key("pepper/1")
    online.create_signing_key("manifest/1")
    online.hmac("pepper/1", b"message")
    online.sign("manifest/1", b"message")
    return online


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_while_it_is_away_every_operation_is_refused(
    soft_token: SoftToken, keys: OnlineToken, operation: Callable[[OnlineToken], object]
) -> None:
    """Above all no search says that there is no such key: a second one would be made."""
    unplug(soft_token)

    for _ in range(20):
        with pytest.raises(TokenUnavailableError) as refusal:
            operation(keys)
        assert refusal.value.retry_after_s


def test_when_it_is_back_the_same_keys_serve_again(soft_token: SoftToken, keys: OnlineToken) -> None:
    before = keys.hmac("pepper/1", b"message"), keys.sign("manifest/1", b"message")
    for _ in range(3):
        away = unplug(soft_token)
        with pytest.raises(TokenUnavailableError):
            keys.hmac("pepper/1", b"message")

        plug_in(soft_token, away)

        wait_until(lambda: answers(keys), patience_s=5.0)
        assert (keys.hmac("pepper/1", b"message"), keys.sign("manifest/1", b"message")) == before


def test_a_token_that_was_away_at_the_start_is_used_as_soon_as_it_is_there(
    soft_token: SoftToken,
) -> None:
    away = unplug(soft_token)
    token = OnlineToken(soft_token.place, soft_token.pin, sessions=2, wait_s=0.5)
    try:
        with pytest.raises(TokenUnavailableError):
            token.open()

        plug_in(soft_token, away)

        wait_until(lambda: answers(token), patience_s=5.0)
    finally:
        token.close()


def test_no_login_is_tried_while_it_is_away(soft_token: SoftToken, keys: OnlineToken) -> None:
    """A login is a try at the PIN; there is none without the token."""
    before = keys.logins
    away = unplug(soft_token)
    with pytest.raises(TokenUnavailableError):
        keys.ping()
    plug_in(soft_token, away)
    wait_until(lambda: answers(keys))

    assert keys.logins == before + 1


# --- another token in its place


@pytest.fixture
def another(soft_token: SoftToken, tmp_path: Path) -> SoftToken:
    """The same label and PIN, and keys of the same labels."""
    other = prepare(tmp_path / "another", soft_token.place.label)
    token = OnlineToken(other.place, other.pin)
    token.open()
    token.create_hmac_key("pepper/1")
    token.create_signing_key("manifest/1")
    token.close()
    return other


def test_another_token_with_the_same_label_and_pin_computes_nothing(
    another: SoftToken, soft_token: SoftToken, keys: OnlineToken
) -> None:
    """Otherwise everybody who signs up meanwhile would be sealed under keys that leave again."""
    keys.expect_check_values({"pepper/1": keys.key_check_value("pepper/1")})
    before = keys.hmac("pepper/1", b"message")
    ours = unplug(soft_token)
    plug_in(soft_token, another.objects)

    def is_refused() -> bool:
        with pytest.raises(TokenUnavailableError) as refusal:
            keys.sign("manifest/1", b"message")
        return isinstance(refusal.value, WrongTokenError)

    wait_until(is_refused)
    for operation in (OPERATIONS["hmac"], OPERATIONS["sign"], OPERATIONS["create"], OPERATIONS["ping"]):
        with pytest.raises(WrongTokenError):
            operation(keys)

    soft_token.objects.rename(another.objects)
    plug_in(soft_token, ours)
    wait_until(lambda: answers(keys))
    assert keys.hmac("pepper/1", b"message") == before


def test_a_token_without_an_expected_key_is_another_token(
    soft_token: SoftToken, token_template: SoftToken, keys: OnlineToken
) -> None:
    keys.expect_check_values({"pepper/1": keys.key_check_value("pepper/1")})
    unplug(soft_token)
    fresh = token_template.copy_to(soft_token.home / "fresh")
    plug_in(soft_token, fresh.objects)

    def is_refused() -> bool:
        with pytest.raises(TokenUnavailableError) as refusal:
            keys.ping()
        return isinstance(refusal.value, WrongTokenError)

    wait_until(is_refused)


def test_keys_that_are_expected_later_are_checked_before_their_next_use(keys: OnlineToken) -> None:
    keys.hmac("pepper/1", b"message")

    keys.expect_check_values({"pepper/1": bytes(8)})

    with pytest.raises(WrongTokenError):
        keys.hmac("pepper/1", b"message")


# --- calls that hang


@pytest.fixture
def hasty(open_token: OpenToken) -> OnlineToken:
    """Few threads, little patience."""
    token = open_token(sessions=2)
    token.create_hmac_key("pepper/1")
    assert token.hmac("pepper/1", b"message")
    be_hasty(token)
    return token


@pytest.fixture
def hanging(soft_token: SoftToken, hasty: OnlineToken) -> "Iterator[subprocess.Popen[bytes]]":
    """Another process holds the locks that SoftHSM waits for without end."""
    assert hasty.logins == 1
    with all_files_locked(soft_token.folder) as locker:
        yield locker


@pytest.mark.usefixtures("hanging")
def test_callers_of_a_call_that_hangs_give_up(hasty: OnlineToken) -> None:
    with pytest.raises(TokenUnavailableError, match="no answer in time"):
        hasty.has_key("pepper/2")

    for _ in range(50):  # more than there are threads: nobody else goes in and hangs too
        with pytest.raises(TokenHangsError):
            hasty.hmac("pepper/1", b"message")


def test_when_the_call_comes_back_so_does_the_service(
    hasty: OnlineToken, hanging: "subprocess.Popen[bytes]"
) -> None:
    with pytest.raises(TokenUnavailableError):
        hasty.has_key("pepper/2")

    hanging.kill()
    hanging.wait()

    wait_until(lambda: answers(hasty))
    assert len(hasty.hmac("pepper/1", b"message")) == 32


def test_a_process_ends_although_a_call_hangs(soft_token: SoftToken) -> None:
    program = start_program("exit_while_it_hangs", soft_token)
    assert program.stdout is not None
    while program.stdout.readline() != "open\n":
        assert program.poll() is None
    with all_files_locked(soft_token.folder):
        said, _ = program.communicate("go\n", timeout=30)

    assert "service.token_unavailable" in said
    assert program.returncode == 0


def test_a_module_that_was_loaded_before_a_fork_is_not_used(soft_token: SoftToken) -> None:
    """Its locks may be held for ever by threads that the child does not have."""
    said, _ = start_program("fork_and_open", soft_token).communicate(timeout=30)

    assert "loaded before a fork" in said


def test_the_lock_is_given_up_in_bounded_time(soft_token: SoftToken) -> None:
    with (
        token_lock(soft_token.place),
        pytest.raises(TokenUnavailableError, match="another process"),
        token_lock(soft_token.place, wait_s=0.05),
    ):
        pytest.fail("two have the lock")
