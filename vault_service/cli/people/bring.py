"""Bring one person in: begin -> sign up -> sign in -> keep the records -> done.

Each step is written down before the next, and each request has an idempotency key that is derived
from the run and the line: whatever broke off is repeated without a second effect.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto

from vault_service.cli.people.journal import Journal
from vault_service.cli.people.mapping import Person
from vault_service.cli.people.passwords import Passwords, Way
from vault_service.cli.people.source import BadRow
from vault_service.client import (
    AppKeyRefusedError,
    LoginTakenError,
    MustChangePasswordError,
    UnavailableError,
    UserSession,
    VaultApiError,
    VaultClient,
)


class Brought(Enum):
    """What became of a good line."""

    NOW = auto()
    EARLIER = auto()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Bringer:
    """Everything that bringing a person takes; safe to share between threads."""

    vault: VaultClient
    journal: Journal
    passwords: Passwords
    collection: str
    rest_collection: str | None
    now: Callable[[], datetime] = field(default=_utc_now)

    def bring(self, person: Person) -> Brought | BadRow:
        """Do what is missing for this person.

        A refusal that concerns this person makes a BadRow. Raises VaultClientError for what
        concerns everybody: the vault is away, the app key is refused.
        """
        line = person.line
        progress = self.journal.at(line)
        if (progress.signed_up or progress.done) and self.journal.is_another(line, person.login):
            return BadRow(line, "import.line_changed", "another login stood here when its import began")
        if progress.done:
            return Brought.EARLIER
        self.journal.begin(line, person.login, self.now())
        step = "sign up"
        try:
            is_new = not progress.signed_up and self._sign_up(person, was_begun=progress.begun is not None)
            step = "sign in"
            password = self.passwords.known(person)
            if password is None:
                return BadRow(line, "import.no_password", "the file of passwords lacks this person's")
            with self.vault.sign_in(person.login, password) as session:
                step = "record"
                self._keep(session, person, look_first=not is_new and progress.keys_have_expired(self.now()))
        except (AppKeyRefusedError, UnavailableError):
            raise
        except MustChangePasswordError:
            problem = "begun over a day ago; a one-time password cannot see whether the record is there"
            return BadRow(line, "import.outcome_unknown", problem)
        except VaultApiError as refusal:
            return BadRow(line, refusal.code, f"{step}: {refusal.detail}")
        self.journal.finish(line)
        return Brought.NOW

    def _sign_up(self, person: Person, *, was_begun: bool) -> bool:
        """Did the vault say that the user is made? Otherwise an earlier attempt of ours made it."""
        password = self.passwords.before_sign_up(person)
        try:
            signed_up = self.vault.sign_up(
                person.login, password, idempotency_key=self._key(person, "sign-up")
            )
        except LoginTakenError:
            # By an attempt of ours so long ago that its key is forgotten? Then the password opens it.
            if not was_begun or self.passwords.way is Way.ONE_TIME:
                raise
            return False
        self.passwords.after_sign_up(person, signed_up.user_id, signed_up.one_time_password)
        self.journal.signed_up(person.line, signed_up.user_id)
        return True

    def _keep(self, session: UserSession, person: Person, *, look_first: bool) -> None:
        """`look_first`: the vault has forgotten the keys of a first attempt, if there was one."""
        wanted = [(self.collection, person.fields, "record")]
        if self.rest_collection is not None:
            wanted.append((self.rest_collection, person.rest, "rest"))
        for collection, fields, what in wanted:
            there = look_first and any(
                record.fields == fields for record in session.records.find(collection=collection)
            )
            if fields and not there:
                session.records.create(collection, fields, idempotency_key=self._key(person, what))

    def _key(self, person: Person, what: str) -> str:
        return f"import-{self.journal.run}-{person.line}-{what}"
