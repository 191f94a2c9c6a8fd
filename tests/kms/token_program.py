"""What tests run in a process of its own: python -m tests.kms.token_program COMMAND HOME STATE PIN …"""

import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.kms.token_fixtures import MODULE, be_hasty
from vault_service.domain.errors import TokenUnavailableError
from vault_service.kms.token import pkcs11_module
from vault_service.kms.token.admin import started
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.logs import configure_logging

THREADS = 8
ROUNDS = 1000
MESSAGES = tuple(bytes([number]) * (number + 1) for number in range(16))


def say(line: str) -> None:
    """To the test that started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def login(place: TokenPlace, pin: str) -> None:
    """Log in once and compute something."""
    token = OnlineToken(place, pin, wait_s=60)
    token.open()
    token.ping()
    token.close()
    say("logged in")


def login_forever(place: TokenPlace, pin: str) -> None:
    """Log in again and again, until somebody kills this process."""
    while True:
        login(place, pin)


def die_in_login(place: TokenPlace, pin: str) -> None:
    """Be killed at the very write of token.object that a login does."""
    with started(place) as (_, token):
        _die_at_the_next_write()
        token.open(rw=True, user_pin=pin)


def die_in_pin_change(place: TokenPlace, pin: str) -> None:
    """The same, of a PIN change."""
    with started(place) as (_, token):
        session = token.open(rw=True, user_pin=pin)
        _die_at_the_next_write()
        session.set_pin(pin, "the-next-pin-of-tests")


def _die_at_the_next_write() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it otherwise
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # truncating is allowed, writing kills


def exit_while_it_hangs(place: TokenPlace, pin: str) -> None:
    """Leave although a call never came back."""
    token = OnlineToken(place, pin, sessions=2, wait_s=60)
    token.open()
    be_hasty(token)
    say("open")
    sys.stdin.readline()
    try:
        token.has_key("anything")
    except TokenUnavailableError as error:
        say(error.code)
    token.close()


def fork_and_open(place: TokenPlace, pin: str) -> None:
    """Open a token in the child of a process that has loaded the module."""
    pkcs11_module.module(place.module)
    child = os.fork()
    if child == 0:
        try:
            pkcs11_module.module(place.module).start(place.softhsm2_conf)
        except TokenUnavailableError as error:
            say(error.detail)
        os._exit(0)
    os.waitpid(child, 0)


def storm(place: TokenPlace, pin: str, *, locking: bool = True) -> None:
    """8 threads, 1,000 operations each; every answer is compared with one that was computed before."""
    if not locking:
        pkcs11_module._CKF_OS_LOCKING_OK = 0
    token = OnlineToken(place, pin, sessions=THREADS, wait_s=60)
    token.open()
    token.create_hmac_key("pepper/1")
    token.create_signing_key("manifest/1")
    macs = [token.hmac("pepper/1", message) for message in MESSAGES]
    signatures = [token.sign("manifest/1", message) for message in MESSAGES]
    faults: list[str] = []

    def work(thread: int) -> None:
        for number in range(ROUNDS):
            pick = (number * 7 + thread) % len(MESSAGES)
            right = _one(token, number, pick, thread, macs, signatures)
            if not right():
                faults.append(f"thread {thread}, operation {number}: a wrong answer")

    def guarded(thread: int) -> None:
        try:
            work(thread)
        except Exception as error:  # noqa: BLE001  # reported to the test
            faults.append(f"thread {thread}: {error!r}")

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    say(json.dumps({"faults": faults, "calls": dict(token.calls), "logins": token.logins}))
    token.close()


def _one(
    token: OnlineToken, number: int, pick: int, thread: int, macs: list[bytes], signatures: list[bytes]
) -> Callable[[], bool]:
    def create() -> bool:
        label = f"login/{thread}-{number}"
        token.create_hmac_key(label)
        return token.has_key(label)

    if number % 500 == 250:
        return create
    return (
        lambda: token.hmac("pepper/1", MESSAGES[pick]) == macs[pick],
        lambda: token.sign("manifest/1", MESSAGES[pick]) == signatures[pick],
        lambda: token.has_key("pepper/1"),
        lambda: not token.has_key("pepper/2"),
    )[number % 4]


def storm_without_locking(place: TokenPlace, pin: str) -> None:
    """The same, with the module told that there is one thread only."""
    storm(place, pin, locking=False)


COMMANDS: dict[str, Callable[[TokenPlace, str], None]] = {
    each.__name__: each
    for each in (
        login,
        login_forever,
        die_in_login,
        die_in_pin_change,
        exit_while_it_hangs,
        fork_and_open,
        storm,
        storm_without_locking,
    )
}


if __name__ == "__main__":
    configure_logging()  # whole lines, so that none gets between a line of ours and its end
    command, home, state, pin = sys.argv[1:]
    COMMANDS[command](TokenPlace(MODULE, "vault-test", Path(home) / "softhsm2.conf", Path(state)), pin)
