"""A vault of its own that a story is played on, and the telling of it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

_T = TypeVar("_T")
_START_S = 300.0
_WAIT_S = 60.0 + int(os.environ.get("CROWD") or 0) / 100  # a ceremony opens a thousand wraps a second


class DiffersError(Exception):
    """The story went another way."""


def differs(what: str) -> NoReturn:
    """End the story."""
    raise DiffersError(what)


class Teller:
    """Prints the transcript."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """What comes now."""
        self._chapter += 1
        print(f"\n{self._chapter}. {title}", flush=True)

    def say(self, text: str) -> None:
        """What happened."""
        for line in text.splitlines():
            print(f"   {line}", flush=True)

    def command(self, *words: str) -> None:
        """What was typed."""
        print(f"   $ {' '.join(words)}", flush=True)


class Stage:
    """The vault that the story is played on."""

    def __init__(self, home: Path, teller: Teller, environment: Mapping[str, str] | None = None) -> None:
        """`environment`: on top of the usual one, such as VAULT_POLICIES."""
        self.home = home
        self.teller = teller
        self.api_port = free_port()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("VAULT_")},
            "VAULT_HOME": str(home / "vault"),
            "VAULT_API_PORT": str(self.api_port),
            "VAULT_CONSOLE_PORT": str(free_port()),
            "COLUMNS": "100",
            **(environment or {}),
        }
        self._vault: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    @property
    def officers(self) -> Path:
        """The demo officers' key files."""
        return self.home / "vault" / "demo-officers"

    def start(self) -> None:
        """Run the vault until it says that it is ready."""
        log = self.home / "vault.log"
        with log.open("wb") as output:
            self._vault = subprocess.Popen(
                [sys.executable, "-m", "vault_service.cli", "dev", "--end-with-parent"],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        ready = self.home / "vault" / "ready.json"
        end = time.monotonic() + _START_S
        while not ready.exists():
            if self._vault.poll() is not None or time.monotonic() > end:
                differs(f"the vault did not start:\n{log.read_text('utf-8', 'replace')[-4000:]}")
            time.sleep(0.2)
        self.ready = json.loads(ready.read_bytes())

    def pids(self) -> dict[str, int]:
        """Of the processes that run now; empty while one of them is being started again."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads((self.home / "vault" / "ready.json").read_bytes())["pids"])
        return {}

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self._vault is None or self._vault.poll() is not None:
            return
        self._vault.send_signal(signal.SIGTERM)
        try:
            self._vault.wait(60)
        except subprocess.TimeoutExpired:
            self._vault.kill()
            self._vault.wait(10)

    def run(self, *arguments: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        """One command, however it ends."""
        return subprocess.run(
            [sys.executable, "-m", "vault_service.cli", *arguments], env=self._environment, input=typed,
            capture_output=True, text=True, timeout=_START_S, check=False,
        )  # fmt: skip

    def vaultctl(self, *arguments: str, shown: bool = True, typed: str = "") -> str:
        """Run one command and show what it prints."""
        if shown:
            self.teller.command("vaultctl", *(shorten(each, self.home) for each in arguments))
        done = self.run(*arguments, typed=typed)
        if done.returncode != 0:
            differs(f"vaultctl {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr.strip()}")
        if shown:
            self.teller.say(shorten(done.stdout.rstrip(), self.home))
        return done.stdout


def free_port() -> int:
    """A TCP port on loopback that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def shorten(text: str, home: Path) -> str:
    """The scratch folder's name means nothing to a reader."""
    return text.replace(f"{home}/", "").replace(f"{home.resolve()}/", "")


def until(what: str, look: Callable[[], _T | None]) -> _T:
    """Look again until there is something."""
    end = time.monotonic() + _WAIT_S
    while time.monotonic() < end:
        if (found := look()) is not None:
            return found
        time.sleep(0.1)
    differs(f"waited {_WAIT_S:.0f} s in vain until {what}")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that every service user may enter; gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="vault-story-", dir="/tmp"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
