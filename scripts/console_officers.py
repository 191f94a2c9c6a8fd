"""Bring officers with passkeys into a vault for trying out: invite, enrol, have them named."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vault_service.cli.init import DEMO_PASSPHRASE_FILE

ROLES = "requester,approver,discloser,auditor"
_PROPOSER, _APPROVERS = "ana", ("bob", "cleo")
_PATIENCE_S = 90.0  # the ceremony of a change of officers

Vaultctl = Callable[..., str]
"""Runs one command of vaultctl and returns what it prints; raises when it fails."""


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody who was given a link."""

    name: str
    officer_id: str
    link: str  # good once


@dataclass(frozen=True, slots=True)
class DemoOffice:
    """What ana, bob and cleo do, whose key files lie beside one another."""

    vaultctl: Vaultctl
    officers: Path  # the folder of their key files

    def names(self) -> set[str]:
        """Of everybody whom the newest manifest names."""
        return {row["name"] for row in self._rows("officer", "list")}

    def invite(self, name: str) -> Invited:
        """Somebody new, or an officer of that name who is to have another passkey."""
        known = {row["name"]: row["officer_id"] for row in self._rows("officer", "list")}
        whom = ("--officer-id", known[name]) if name in known else (name,)
        made = self._document("officer", "invite", *whom, *self._key(_PROPOSER))
        return Invited(name, made["officer_id"], made["link"])

    def cards(self) -> Mapping[str, Mapping[str, str]]:
        """Those that wait, by officer id."""
        return {row["officer_id"]: row for row in self._rows("officer", "enrolled")}

    def name_them(self, cards: Sequence[Mapping[str, str]]) -> str:
        """One case for all; returns its id once it is executed. Raises TimeoutError."""
        known = {row["officer_id"] for row in self._rows("officer", "list")}
        wanted: list[str] = []
        for card in cards:
            is_new = card["officer_id"] not in known
            wanted += ["--enrolled", card["enrolled_id"] + (f":{ROLES}" if is_new else "")]
        why = ("--reason", "they work in the browser")
        case = self._document("officer", "propose", *wanted, *why, *self._key(_PROPOSER))["case_id"]
        self._await(case, "gathers no shares", lambda shown: bool(shown["ceremonies"]))
        for name in _APPROVERS:  # each approval releases the share too, since a ceremony waits
            self.vaultctl("recovery", "approve", case, *self._key(name), "--yes")
        self._await(case, "is not executed", lambda shown: shown["state"] == "executed")
        return str(case)

    def _await(self, case: str, what: str, there: Callable[[Mapping[str, Any]], bool]) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not there(self._document("recovery", "show", case)):
            if time.monotonic() > end:
                raise TimeoutError(f"case {case} {what}; see vaultctl recovery show {case}")
            time.sleep(0.5)

    def _key(self, name: str) -> tuple[str, ...]:
        passphrase = str(self.officers / DEMO_PASSPHRASE_FILE)
        return ("--key", str(self.officers / f"{name}.key"), "--passphrase-file", passphrase)

    def _rows(self, *arguments: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(self.vaultctl(*arguments, "--json"))
        return found

    def _document(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.vaultctl(*arguments, "--json"))
        return found
