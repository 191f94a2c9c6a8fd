"""How far each line of an import has come, so that a run after a crash does only what is missing.

An append-only file of JSON lines, each on disk before the next step begins:

    {"v": 1, "run": random, "key": tag}          once; idempotency keys are derived from `run`
    {"line": 5, "begun": time, "who": tag}       a sign-up may be under way
    {"line": 5, "user_id": id}                   the user exists
    {"line": 5, "done": true}                    and has the records

It holds no personal data and no hash that could be guessed: a tag is an HMAC of the login under the
app key, by which a line is noticed that has become another person's since. A last line that a
crash cut off is dropped.
"""

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from vault_service.cli.people.append_only import AppendOnlyFile
from vault_service.domain.errors import ConfigurationError

# The vault recognises a repeated Idempotency-Key for a day; an hour's margin for clocks and long runs.
_KEYS_LAST = timedelta(hours=23)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one line has come."""

    begun: datetime | None = None
    who: str = ""
    signed_up: bool = False
    done: bool = False

    def keys_have_expired(self, now: datetime) -> bool:
        """Would the vault take a repeated request for a new one?"""
        return self.begun is not None and now - self.begun > _KEYS_LAST


class Journal:
    """An open state file; safe to share between threads."""

    def __init__(self, file: AppendOnlyFile, app_key: str) -> None:
        """Begin a run, or go on with the one in the file. Raises ConfigurationError for another file."""
        self._file = file
        self._key = hmac.digest(app_key.encode(), b"vault_service import state", "sha256")
        entries = list(file.entries)
        if not entries:
            run = secrets.token_hex(16)
            entries.append({"v": 1, "run": run, "key": self._tag(run, "")})
            file.append(entries[0])
        head = entries.pop(0)
        if head.get("v") != 1 or not isinstance(head.get("run"), str):
            raise ConfigurationError("--state is not the state of an import", remedy="Name another file.")
        self.run: str = head["run"]
        self.same_app_key = head.get("key") == self._tag(self.run, "")
        self._lines: dict[int, Progress] = {}
        for entry in entries:
            self._apply(entry)

    def at(self, line: int) -> Progress:
        """How far this line has come."""
        return self._lines.get(line, Progress())

    def is_another(self, line: int, login: str) -> bool:
        """Did this line hold another login when its import began? Unknown with another app key."""
        progress = self.at(line)
        return self.same_app_key and progress.begun is not None and progress.who != self._tag(self.run, login)

    def begin(self, line: int, login: str, now: datetime) -> None:
        """Write down that a sign-up may be under way; the time of the first attempt stays."""
        begun = self.at(line).begun or now
        self._append({"line": line, "begun": begun.isoformat(), "who": self._tag(self.run, login)})

    def signed_up(self, line: int, user_id: UUID) -> None:
        """Write down that the user exists."""
        self._append({"line": line, "user_id": str(user_id)})

    def finish(self, line: int) -> None:
        """Write down that nothing is left to do."""
        self._append({"line": line, "done": True})

    def _append(self, entry: dict[str, Any]) -> None:
        self._file.append(entry)
        self._apply(entry)

    def _tag(self, run: str, login: str) -> str:
        text = f"{run} {login}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256").hex()[:32]

    def _apply(self, entry: dict[str, Any]) -> None:
        line = int(entry["line"])
        known = self.at(line)
        if "begun" in entry:
            begun = datetime.fromisoformat(entry["begun"]).astimezone(UTC)
            known = replace(known, begun=begun, who=entry["who"])
        elif "user_id" in entry:
            known = replace(known, signed_up=True)
        elif "done" in entry:
            known = replace(known, done=True)
        self._lines[line] = known
