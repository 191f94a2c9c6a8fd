"""A folder with officers' key files, in which the commands of a page are typed as they stand."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.ceremony.typing_in import Typed, converse
from tests.cli.commands import Ran, vaultctl
from tests.dev.waiting import is_running
from tests.rig.at_hand import vaultctl_at_hand
from tests.rig.vault import OFFICERS, PASSPHRASE, Vault
from tests.runbooks.pages import DOCS, blocks

_PATIENCE_S = 120.0
_CASE = re.compile(r"^case: +([0-9a-f-]{36})$", re.MULTILINE)


@dataclass
class Desk:
    """One vault's officers and its operator, all at one table."""

    vault: Vault
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    sheets: tuple[str, ...] = field(default=(), repr=False)  # that count at present
    watching: psycopg.Connection[tuple[object, ...]] = field(init=False, repr=False)

    @classmethod
    @contextlib.contextmanager
    def laid_out(cls, vault: Vault) -> "Iterator[Desk]":
        """Key files and passphrases under the names that the pages use; no ceremony outlives it."""
        folder = vault.home / "desk"
        (folder / "bin").mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("systemctl"), folder / "bin")
        desk = cls(vault, folder, sheets=vault.break_glass)
        for name in OFFICERS:
            shutil.copy(vault.home / "officers" / f"{name}.key", folder)
            desk.passphrase(name)
        with vaultctl_at_hand(folder / "bin"), vault.keys.superuser() as desk.watching:
            try:
                yield desk
            finally:
                desk.stop_ceremonies()

    def passphrase(self, name: str) -> None:
        file = self.folder / f"{name}.passphrase"
        file.touch(0o600)
        file.write_text(PASSPHRASE)

    @property
    def environment(self) -> dict[str, str]:
        places = (self.folder / "bin", Path(sys.executable).parent, os.environ["PATH"])
        path = ":".join(map(str, places))
        ours = {"PATH": path, "COLUMNS": "120", "TESTED_BY": str(os.getpid())}
        return {**self.vault.environment, **ours, **self.variables}

    # --- typing

    @contextlib.contextmanager
    def follow(self, page: str) -> "Iterator[Page]":
        """Go through a page of docs/; whoever follows it runs all of its commands."""
        followed = Page(self, blocks(DOCS / page))
        yield followed
        assert not followed.left, f"{page}: nobody has run {followed.left[0]}"

    def type(self, command: str) -> Ran:
        done = subprocess.run(
            _shell(command), env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    def type_in_a_terminal(
        self, command: str, answers: Mapping[str, str], words: tuple[str, ...] = ()
    ) -> Typed:
        """`answers`: to what the command asks, by the end of the question. `words`: of sheets, in order."""
        return converse(_shell(command), self.environment, self.folder, words, answers)

    def drill(self) -> None:
        """As the page on drills has it; what becomes of it is another question."""
        Page(self, blocks(DOCS / "runbooks/drill.md")).run()

    def use_the_sheets(self, page: "Page") -> Typed:
        """The next block breaks the glass: the keepers type two old sheets, and write down the new ones."""
        ran = page.run_in_a_terminal({}, ("yes", self.sheets[2].upper(), self.sheets[0]))
        (typed,) = [each for each in ran if each.papers]
        self.sheets = tuple(" ".join(typed.papers[number]) for number in sorted(typed.papers))
        return typed

    def note(self, said: str) -> None:
        """What $CASE is from now on. People are slower than a ceremony begins."""
        if found := _CASE.search(said):
            self.variables["CASE"] = found[1]
        if "CASE" in self.variables:
            until(lambda: self.waits_for_shares() or self.state() != "open" or not self.has_ceremonies())

    # --- looking

    def look(self, *arguments: str) -> Any:
        return vaultctl(self.vault, *arguments, "--json").json

    def doctor(self, *, wrong: bool = False) -> dict[str, str]:
        """What it says of each check; `wrong`: only of those that are."""
        return {row["check"]: row["detail"] for row in self.look("doctor") if not (wrong and row["ok"])}

    def officers(self) -> dict[str, str]:
        """Name -> whether a share is held."""
        return {row["name"]: row["holds_a_share"] for row in self.look("officer", "list")}

    def state(self) -> str:
        """Of the case that was opened last."""
        case = (self.variables["CASE"],)
        row = self.watching.execute("SELECT state FROM cases WHERE case_id = %s", case).fetchone()
        assert row is not None
        return str(row[0])

    def waits_for_shares(self) -> bool:
        rows = self.watching.execute(
            "SELECT 1 FROM ceremonies WHERE closed_at IS NULL AND position(%s::bytea IN note) > 0",
            (self.variables["CASE"].encode(),),
        ).fetchall()
        return bool(rows)

    def executed(self) -> bool:
        """Waits for it."""
        with contextlib.suppress(TimeoutError):
            return bool(until(lambda: self.state() == "executed"))
        raise AssertionError((self.vault.home / "vault-ceremony.log").read_text()[-3000:])

    def ceremony_said(self, pattern: str) -> str:
        """Waits for it: a ceremony speaks of a step after the key service has written it down."""
        log = self.vault.home / "vault-ceremony.log"
        (said,) = until(lambda: re.findall(pattern, log.read_text()))
        return str(said)

    # --- the service manager

    def start_ceremonies(self) -> None:
        assert self.type("systemctl start vault-ceremony").code == 0

    def stop_ceremonies(self) -> None:
        assert self.type("systemctl stop vault-ceremony").code == 0

    def has_ceremonies(self) -> bool:
        """As `systemctl is-active` says, without a shell each time."""
        pid = self.vault.home / "vault-ceremony.pid"
        return pid.exists() and is_running(int(pid.read_text()))

    def ceremony_has_failed(self) -> bool:
        """It was not started again: somebody has to look. Waits for it."""
        return bool(until(lambda: not self.has_ceremonies()))


@dataclass
class Page:
    """A page that is being followed."""

    desk: Desk
    left: list[tuple[str, ...]]

    def run(self) -> list[Ran]:
        """The next block; each of its commands must do what it says."""
        done: list[Ran] = []
        for command in self.left.pop(0):
            ran = self.desk.type(command)
            assert ran.code == 0, f"{command}\n{ran.out}{ran.err}"
            self.desk.note(ran.out)
            done.append(ran)
        return done

    def run_in_a_terminal(self, answers: Mapping[str, str], words: tuple[str, ...] = ()) -> list[Typed]:
        """The next block, whose commands ask."""
        done: list[Typed] = []
        for command in self.left.pop(0):
            typed = self.desk.type_in_a_terminal(command, answers, words)
            assert typed.code == 0, f"{command}\n{typed.shown[-3000:]}"
            self.desk.note("")
            done.append(typed)
        return done

    def look(self) -> str:
        """The next block begins with a look, which may find something wrong: what it says, in one line."""
        command, *rest = self.left.pop(0)
        if rest:
            self.left.insert(0, tuple(rest))
        ran = self.desk.type(command)
        assert ran.code in (0, 1), f"{command}\n{ran.out}{ran.err}"
        return " ".join(ran.out.split())


def _shell(command: str) -> list[str]:
    return ["bash", "-euo", "pipefail", "-c", command]


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.05)
    return found
