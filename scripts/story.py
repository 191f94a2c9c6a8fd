"""The whole story of a forgotten password, on a vault of its own, told as it happens (`make story`).

A scratch vault is started as `make run` starts one. Somebody stores records, forgets the password and
asks for access again; two officers make sure who is asking and approve, each with a key file; the ceremony
runs by itself; the person signs in with the new password and reads the old records; an auditor who has only
public keys verifies the trail. Ends with 1 if any step differs, and cleans up in any case.
"""

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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from vault_service.cli.init import DEMO_PASSPHRASE_FILE
from vault_service.client import VaultClient
from vault_service.client.errors import VaultApiError, VaultClientError

_T = TypeVar("_T")
_START_S, _WAIT_S = 300.0, 60.0
LOGIN = "ana@example.org"
FORGOTTEN = "violet anchor teapot meadow"
NEW = "copper lantern under the bridge"
WRONG = "was it violet anchor kettle meadow"
RECORDS = [
    {"full_name": "Ana Silva", "phone": "+351 912 345 678"},
    {"full_name": "Rui Costa", "email": "rui@example.org"},
]


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

    def __init__(self, home: Path, teller: Teller) -> None:
        self.home = home
        self.teller = teller
        self.api_port = free_port()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("VAULT_")},
            "VAULT_HOME": str(home / "vault"),
            "VAULT_API_PORT": str(self.api_port),
            "VAULT_CONSOLE_PORT": str(free_port()),
            "COLUMNS": "100",
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

    def vaultctl(self, *arguments: str, shown: bool = True, typed: str = "") -> str:
        """Run one command and show what it prints."""
        if shown:
            self.teller.command("vaultctl", *(shorten(each, self.home) for each in arguments))
        done = subprocess.run(
            [sys.executable, "-m", "vault_service.cli", *arguments], env=self._environment, input=typed,
            capture_output=True, text=True, timeout=_START_S, check=False,
        )  # fmt: skip
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


def play(stage: Stage, teller: Teller) -> None:
    """Each chapter; raises DiffersError where the story goes another way."""
    teller.chapter("A vault, with three demo officers, each with a key file")
    stage.start()
    key = stage.ready["app_key"]
    teller.say(f"ready: {', '.join(sorted(stage.ready['pids']))}")
    for file in sorted(stage.officers.glob("*.key")):
        teller.say(f"officer {file.stem}: {shorten(str(file), stage.home)}")
    with VaultClient(stage.ready["api_url"], app_key=key) as vault:
        store(vault, teller)
        case, phrase = forget(vault, teller)
        decide(stage, teller, case, phrase)
        waited = until("the ceremony has run", lambda: executed(vault, case))
        teller.chapter("The ceremony runs by itself, as soon as the second share is there")
        teller.say(f"case {case}: {waited}")
        sign_in_again(vault, teller)
    verify(stage, teller, case)


def store(vault: VaultClient, teller: Teller) -> None:
    """Ana signs up and stores what she will miss."""
    teller.chapter(f"{LOGIN} signs up and stores two records")
    vault.sign_up(LOGIN, FORGOTTEN)
    with vault.sign_in(LOGIN, FORGOTTEN) as ana:
        for fields in RECORDS:
            teller.say(f"stored {ana.records.create('contact', fields).record_id}")


def forget(vault: VaultClient, teller: Teller) -> tuple[str, str]:
    """She forgets the password and asks."""
    teller.chapter("Months later the password is forgotten")
    refused(vault, WRONG)
    teller.say(f"signed in with {WRONG!r}: refused, as it should be")
    begun = vault.recover(LOGIN, NEW)
    teller.say(f"asked for access again with a new password: case {begun.case_id}")
    teller.say(f"the app shows six words: {begun.verification_phrase}")
    stranger = vault.recover("nobody@example.org", NEW)
    teller.say(f"(asked for somebody who does not exist: case {stranger.case_id}, the same answer)")
    refused(vault, NEW)
    teller.say("the new password opens nothing yet")
    return str(begun.case_id), begun.verification_phrase


def decide(stage: Stage, teller: Teller, case: str, phrase: str) -> None:
    """Two officers make sure who is asking, and approve."""
    teller.chapter("Officers see the case; neither login nor words are shown to them")
    listed = stage.vaultctl("recovery", "list")
    if case not in listed:
        differs("the case is not in the officers' list")
    shown = stage.vaultctl("recovery", "show", case)
    if LOGIN in listed + shown or phrase in listed + shown:
        differs("the officers are shown the login or the words")
    teller.chapter("Two of them reach Ana, each in their own way, and type what she tells them")
    until("the waiting period of the demo is over", lambda: due(stage, case))
    for officer in ("ana", "bob"):
        arguments = (
            "recovery", "approve", case, "--key", str(stage.officers / f"{officer}.key"),
            "--passphrase-file", str(stage.officers / DEMO_PASSPHRASE_FILE), "--login", LOGIN,
            "--phrase", phrase, "--yes",
        )  # fmt: skip
        stage.vaultctl(*arguments)


def due(stage: Stage, case: str) -> bool | None:
    """Whether a ceremony waits for the case's shares."""
    shown = json.loads(stage.vaultctl("recovery", "show", case, "--json", shown=False))
    return True if shown["ceremonies"] else None


def executed(vault: VaultClient, case: str) -> str | None:
    """What the app is told."""
    import uuid

    status = vault.recovery(uuid.UUID(case)).status
    return status if status == "executed" else None


def sign_in_again(vault: VaultClient, teller: Teller) -> None:
    """The new password opens the old records, and the old one nothing."""
    teller.chapter("Ana signs in with the new password and reads her old records")
    with vault.sign_in(LOGIN, NEW) as ana:
        found = sorted((record.fields for record in ana.records.find(collection="contact")), key=str)
        if found != sorted(RECORDS, key=str):
            differs(f"the records are {found}")
        for fields in found:
            teller.say(f"read {fields}")
        seen = until("her list of accesses shows it", lambda: access(ana.accesses(), "access_regained"))
        teller.say(f"her own list of accesses says: {seen}")
    refused(vault, FORGOTTEN)
    teller.say("the old password opens nothing any more")


def access(accesses: Any, what: str) -> str | None:
    """The entry of that kind."""
    return next((f"{each.at:%H:%M:%S} {each.what}" for each in accesses if each.what == what), None)


def refused(vault: VaultClient, password: str) -> None:
    """This password must not open anything."""
    try:
        vault.sign_in(LOGIN, password)
    except VaultApiError as error:
        if error.code == "login.refused":
            return
        raise
    differs(f"{password!r} opened the vault")


def verify(stage: Stage, teller: Teller, case: str) -> None:
    """An auditor with public keys only."""
    teller.chapter("An auditor exports the logs and verifies them with public keys only")
    trails = stage.home / "trails"
    stage.vaultctl("audit", "export", str(trails))
    shutil.copy(trails / "audit.vkey", stage.home / "audit.vkey")
    answer = stage.vaultctl("audit", "verify", str(trails), "--key", str(stage.home / "audit.vkey"))
    if not answer.startswith("sound"):
        differs("the trail is not sound")
    teller.say("\nWhat the keys log says of the case:")
    kinds = []
    for file in sorted((trails / "keys").rglob("*")):
        if file.is_file() and case.encode() in (content := file.read_bytes()):
            lines = (json.loads(line) for line in content.splitlines() if case.encode() in line)
            for leaf in lines:
                kinds.append(leaf["kind"])
                teller.say(f"{leaf['at']}  {leaf['kind']:30} {leaf.get('officer_id', '')}")
    missing = {"case_opened", "case_approved", "wraps_peeled", "access_regained"} - set(kinds)
    if missing or kinds.count("case_approved") < 2:
        differs(f"the trail lacks {sorted(missing)}: {kinds}")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that every service user may enter; gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="vault-story-", dir="/tmp"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def main() -> int:
    """0: as it should be."""
    teller = Teller()
    began = time.monotonic()
    with scratch() as home:
        stage = Stage(home, teller)
        try:
            play(stage, teller)
        except (DiffersError, VaultClientError, subprocess.TimeoutExpired) as error:
            print(f"\nThe story differs: {error}", file=sys.stderr)
            return 1
        finally:
            stage.stop()
    print(f"\nAs it should be ({time.monotonic() - began:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
