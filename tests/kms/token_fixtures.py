"""Ready soft tokens for tests: prepared once, then copied, since initialising one takes a while."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from vault_service.domain.errors import TokenUnavailableError
from vault_service.kms.token.admin import take_over
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.token.pkcs11_module import TokenPlace

REPOSITORY = Path(__file__).parent.parent.parent
MODULE = next(Path("/usr/lib").glob("**/libsofthsm2.so"))
TRANSPORT_SO_PIN = "transport-so-pin-of-tests"
SO_PIN = "security-officer-of-tests"
USER_PIN = "user-pin-of-the-tests"
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class SoftToken:
    """A token in a folder of its own, with both PINs set and no key in it."""

    place: TokenPlace
    home: Path
    pin: str = field(default=USER_PIN, repr=False)
    so_pin: str = field(default=SO_PIN, repr=False)

    @property
    def objects(self) -> Path:
        """SoftHSM's folder of tokens: moved away, the token is unplugged."""
        return self.home / "objects"

    @property
    def folder(self) -> Path:
        """The token's own folder, with its token.object and a file for each key."""
        return next(each for each in self.objects.iterdir() if each.is_dir())

    def copy_to(self, home: Path, *, state: Path | None = None) -> "SoftToken":
        """The same token elsewhere, as a thief or a template has it."""
        shutil.copytree(self.objects, home / "objects")
        place = write_configuration(home, self.place.label)
        return SoftToken(replace(place, state_dir=state or place.state_dir), home, self.pin, self.so_pin)


def write_configuration(home: Path, label: str) -> TokenPlace:
    """SoftHSM's configuration of one folder."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "objects").mkdir(mode=0o700, exist_ok=True)
    conf = home / "softhsm2.conf"
    conf.write_text(
        f"directories.tokendir = {home}/objects\nobjectstore.backend = file\nlog.level = ERROR\n", "utf-8"
    )
    return TokenPlace(MODULE, label, conf, home / "state")


def deliver(home: Path, label: str = "vault-test") -> TokenPlace:
    """A token as a vendor delivers it: initialised, with a transport SO PIN and no user PIN."""
    place = write_configuration(home, label)
    subprocess.run(
        [
            *("pkcs11-tool", "--module", str(MODULE), "--init-token", "--slot-index", "0"),
            *("--label", label, "--so-pin", "env:TRANSPORT_SO_PIN"),
        ],
        env={
            **os.environ,
            "SOFTHSM2_CONF": str(place.softhsm2_conf),
            "TRANSPORT_SO_PIN": TRANSPORT_SO_PIN,
        },
        check=True,
        capture_output=True,
        timeout=30,
    )
    return place


def prepare(home: Path, label: str = "vault-test") -> SoftToken:
    """A token that was taken over."""
    place = deliver(home, label)
    take_over(place, transport_so_pin=TRANSPORT_SO_PIN, so_pin=SO_PIN, user_pin=USER_PIN)
    return SoftToken(place, home)


@pytest.fixture(scope="session")
def token_template(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    """Copy it; never open it."""
    return prepare(tmp_path_factory.mktemp("token-template") / "token")


@pytest.fixture
def soft_token(token_template: SoftToken, tmp_path: Path) -> SoftToken:
    """A token of this test's own."""
    return token_template.copy_to(tmp_path / "token")


OpenToken = Callable[..., OnlineToken]


@pytest.fixture
def open_token(soft_token: SoftToken) -> Iterator[OpenToken]:
    """Opens the test's token in this process and closes it afterwards."""
    opened: list[OnlineToken] = []

    def opening(*, pin: str = soft_token.pin, sessions: int = 4, wait_s: float = 5.0) -> OnlineToken:
        token = OnlineToken(soft_token.place, pin, sessions=sessions, wait_s=wait_s)
        opened.append(token)
        token.open()
        return token

    try:
        yield opening
    finally:
        for token in opened:
            token.close()


@pytest.fixture
def online(open_token: OpenToken) -> OnlineToken:
    """The test's token, open."""
    return open_token()


def wait_until(condition: Callable[[], bool], *, patience_s: float = 20.0) -> None:
    """Look again and again; fails when it never becomes true.

    `patience_s`: of pauses between the looks. A busy machine is late with the looks as with all else.
    """
    for _ in range(round(patience_s / _PAUSE_S)):
        if condition():
            return
        time.sleep(_PAUSE_S)
    assert condition(), "it did not become true"


def why_away(token: OnlineToken) -> str:
    """What keeps it from being used."""
    with pytest.raises(TokenUnavailableError) as refused:
        token.ping()
    return refused.value.detail


def be_hasty(token: OnlineToken, wait_s: float = 0.5) -> None:
    """Once it is open, which takes a busy machine its time: from now on its callers give up so soon."""
    token._wait_s = token._connection._wait_s = wait_s


def answers(token: OnlineToken) -> bool:
    """Can the token be used?"""
    try:
        token.ping()
    except TokenUnavailableError:
        return False
    return True


def start_program(command: str, token: SoftToken, *arguments: str) -> "subprocess.Popen[str]":
    """A process of its own that uses the token: one may crash without taking the tests along."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.kms.token_program", command),
            *(str(token.home), str(token.place.state_dir), token.pin, *arguments),
        ],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
