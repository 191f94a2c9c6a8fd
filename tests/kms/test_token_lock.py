"""A soft token survives being killed in a login, and many processes that log in at once."""

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pkcs11 import GeneralError
from structlog.testing import capture_logs

from tests.kms.token_fixtures import OpenToken, SoftToken, deliver, start_program, wait_until, why_away
from vault_service.domain.errors import TokenUnavailableError, WrongTokenError
from vault_service.kms.token.admin import started
from vault_service.kms.token.connection import TokenConnection
from vault_service.kms.token.keys import Seat
from vault_service.kms.token.lock import token_lock
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.token.softhsm_files import is_whole

KILLS = 40
AT_ONCE = 20


@pytest.fixture
def before(open_token: OpenToken) -> bytes:
    """What the token's key computed before anything happened to it; by then there is a copy."""
    token = open_token()
    token.create_hmac_key("pepper/1")
    answer = token.hmac("pepper/1", b"message")
    token.close()
    return answer


def object_of(token: SoftToken) -> Path:
    return token.folder / "token.object"


def test_without_its_copy_an_empty_token_object_is_a_lost_token(
    soft_token: SoftToken, open_token: OpenToken, before: bytes
) -> None:
    """What all this is about: the keys' files are there, and nobody can use them."""
    assert before
    object_of(soft_token).write_bytes(b"")
    for copy in soft_token.place.state_dir.glob("*.token.object"):
        copy.unlink()

    with pytest.raises(TokenUnavailableError):
        open_token(wait_s=0.5)


def test_the_log_says_what_keeps_the_files_of_a_token_from_being_used(
    soft_token: SoftToken, open_token: OpenToken, before: bytes
) -> None:
    """A folder that the service may not read looks to everybody else like a token that is unplugged."""
    assert before
    for copy in soft_token.place.state_dir.glob("*.token.object"):
        copy.unlink()
        copy.mkdir()

    with capture_logs() as lines:
        with pytest.raises(TokenUnavailableError):
            open_token(wait_s=0.5)
        wait_until(lambda: any(line["event"] == "token.away" for line in lines))

    away = [line.get("error") for line in lines if line["event"] == "token.away"]
    assert away == ["IsADirectoryError"]


@pytest.mark.parametrize("left", [0, 1, 8, 40, 64, 104, 128, 224, 319])
def test_a_token_object_that_was_cut_off_is_put_back(
    soft_token: SoftToken, open_token: OpenToken, before: bytes, left: int
) -> None:
    """At 8, 64, 104, 128 and 224 bytes an attribute ends: what is left parses, but lacks a PIN."""
    whole = object_of(soft_token).read_bytes()
    object_of(soft_token).write_bytes(whole[:left])

    assert open_token().hmac("pepper/1", b"message") == before


def test_a_token_object_of_zeros_is_put_back(
    soft_token: SoftToken, open_token: OpenToken, before: bytes
) -> None:
    """What a file system may leave after a power cut: the length, not yet the bytes."""
    length = object_of(soft_token).stat().st_size
    object_of(soft_token).write_bytes(bytes(length))

    assert open_token().hmac("pepper/1", b"message") == before


def test_a_damaged_token_object_never_takes_the_place_of_its_copy(
    soft_token: SoftToken, before: bytes
) -> None:
    assert before
    (copy,) = soft_token.place.state_dir.glob("*.token.object")
    good = copy.read_bytes()
    object_of(soft_token).write_bytes(good[:200])

    with token_lock(soft_token.place):
        pass

    assert copy.read_bytes() == good == object_of(soft_token).read_bytes()


def test_every_shorter_token_object_is_seen_to_be_damaged(soft_token: SoftToken, tmp_path: Path) -> None:
    """Also of a token as it was delivered, which has no user PIN yet."""
    delivered = SoftToken(deliver(tmp_path / "delivered"), tmp_path / "delivered")
    for token in (soft_token, delivered):
        whole = object_of(token).read_bytes()

        assert is_whole(whole)
        assert [length for length in range(len(whole)) if is_whole(whole[:length])] == []
        assert not is_whole(whole + b"\0")


def test_copies_are_readable_by_nobody_else(soft_token: SoftToken, before: bytes) -> None:
    """They hold what guesses of the PIN can be tested against."""
    assert before
    modes = {path.name: path.stat().st_mode & 0o777 for path in soft_token.place.state_dir.iterdir()}

    assert set(modes.values()) == {0o600}
    assert soft_token.place.state_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("program", ["die_in_login", "die_in_pin_change"])
def test_killed_at_the_write_of_token_object_it_opens_again_with_the_old_pin(
    soft_token: SoftToken, open_token: OpenToken, before: bytes, program: str
) -> None:
    """The module has truncated the file by then and has not written it yet."""
    killed = start_program(program, soft_token)
    said, _ = killed.communicate(timeout=100)
    assert killed.returncode == -signal.SIGXFSZ, said
    assert object_of(soft_token).stat().st_size == 0

    assert open_token().hmac("pepper/1", b"message") == before


@pytest.mark.slow
def test_however_often_it_is_killed_while_logging_in_it_opens_again(
    soft_token: SoftToken, open_token: OpenToken, before: bytes
) -> None:
    moments = random.Random(20)
    for _ in range(KILLS):
        program = start_program("login_forever", soft_token)
        assert program.stdout is not None
        while "logged in" not in program.stdout.readline():
            assert program.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(moments.uniform(0, 0.05))  # somewhere in one of the next logins
        os.kill(program.pid, signal.SIGKILL)
        program.communicate()

    assert open_token().hmac("pepper/1", b"message") == before


@pytest.mark.slow
def test_many_processes_log_in_at_once(soft_token: SoftToken, before: bytes) -> None:
    """Without the lock about half of them fail."""
    assert before
    programs = [start_program("login", soft_token) for _ in range(AT_ONCE)]
    results = [(each.communicate(timeout=100)[0], each.returncode) for each in programs]

    assert [said for said, code in results if code != 0] == []


def waits_for_the_lock(token: SoftToken) -> bool:
    """Does this process have the lock's file open a second time?"""
    lock = token.place.state_dir / f"{token.place.label}.lock"
    return sum(each.resolve() == lock for each in Path("/proc/self/fd").iterdir()) == 2


@pytest.fixture
def connection(soft_token: SoftToken) -> Iterator[TokenConnection]:
    opened = TokenConnection(
        soft_token.place, soft_token.pin, sessions=1, wait_s=5.0, check=lambda seat: seat.close()
    )
    opened.open()
    yield opened
    opened.close()


@pytest.mark.parametrize("error", [GeneralError, TokenUnavailableError, WrongTokenError])
def test_what_fails_during_anothers_login_is_repeated_when_that_is_over(
    soft_token: SoftToken, before: bytes, connection: TokenConnection, error: type[Exception]
) -> None:
    """SoftHSM rewrites token.object meanwhile: it fails, or says that there is no such token or key."""
    logging_in = True
    tries: list[bool] = []

    def work(seat: Seat) -> bytes:
        tries.append(logging_in)
        if len(tries) == 1:
            raise error
        return seat.hmac("pepper/1", b"message")

    with ThreadPoolExecutor(1) as caller:
        with token_lock(soft_token.place):
            answer = caller.submit(connection.run, work)
            wait_until(lambda: waits_for_the_lock(soft_token))
            logging_in = False
        assert answer.result(10) == before
    assert tries == [True, False]
    assert connection.logins == 1


def test_what_changes_the_token_is_not_repeated_then_either(
    before: bytes, connection: TokenConnection
) -> None:
    assert before
    tries: list[Seat] = []

    def work(seat: Seat) -> None:
        tries.append(seat)
        raise GeneralError

    with pytest.raises(TokenUnavailableError):
        connection.run(work, changes_token=True)
    assert len(tries) == 1


def test_behind_a_login_that_never_ends_the_token_is_tried_all_the_same(
    soft_token: SoftToken, before: bytes, connection: TokenConnection
) -> None:
    """Before the caller has given up: it would take the token for one that hangs."""
    tries: list[Seat] = []

    def work(seat: Seat) -> bytes:
        tries.append(seat)
        if len(tries) == 1:
            raise GeneralError
        return seat.hmac("pepper/1", b"message")

    with token_lock(soft_token.place):
        assert connection.run(work) == before
    assert connection.logins == 1


def test_without_a_folder_for_the_lock_what_failed_is_repeated_without_it(
    soft_token: SoftToken, before: bytes, connection: TokenConnection
) -> None:
    state = soft_token.place.state_dir
    state.rename(state.with_name("elsewhere"))
    state.write_text("a file where a folder should be")
    faults = [GeneralError()]

    def work(seat: Seat) -> bytes:
        if faults:
            raise faults.pop()
        return seat.hmac("pepper/1", b"message")

    assert connection.run(work) == before


def test_a_state_folder_that_cannot_be_used_is_named(soft_token: SoftToken) -> None:
    (soft_token.home / "state").write_text("a file where a folder should be")

    with pytest.raises(TokenUnavailableError, match="state"), started(soft_token.place):
        pytest.fail("it started without a lock")


def test_a_configuration_that_is_not_there_is_refused(soft_token: SoftToken) -> None:
    assert soft_token.place.softhsm2_conf is not None
    soft_token.place.softhsm2_conf.unlink()
    token = OnlineToken(soft_token.place, soft_token.pin, sessions=1, wait_s=0.5)
    try:
        with pytest.raises(TokenUnavailableError):
            token.open()
        wait_until(lambda: "files" in why_away(token))
    finally:
        token.close()
