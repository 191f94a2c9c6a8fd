"""Where each person's password comes from, and the file by which it is handed over.

A password that was made here is in the file, on disk, before it is sent: a crash never leaves a
person whose password nobody knows. The vault's one-time passwords are known only from its answer;
a crash before they are written costs nothing, since the retry is given a new one.
"""

import secrets
from enum import Enum
from uuid import UUID

from vault_service.cli.people.append_only import AppendOnlyFile
from vault_service.cli.people.mapping import Person

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else on paper
_GROUPS, _LETTERS = 5, 5  # 31^25: 123 bits


class Way(Enum):
    """How people come by their first password."""

    COLUMN = "column"  # it stands in the file
    GENERATE = "generate"  # a strong one is made here
    ONE_TIME = "one-time"  # the vault makes one that only serves to choose another


def generate_password() -> str:
    """Five groups of five letters and digits, easy to copy from paper."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS)) for _ in range(_GROUPS))


class Passwords:
    """Gives each person's password, the same again after a crash; safe to share between threads."""

    def __init__(self, way: Way, handover: AppendOnlyFile | None) -> None:
        """`handover` is needed unless the passwords stand in a column."""
        self.way = way
        self._handover = handover
        entries = handover.entries if handover else []
        self._known: dict[tuple[int, str], str] = {
            (entry["line"], entry["login"]): entry.get("password") or entry["one_time_password"]
            for entry in entries
        }

    def before_sign_up(self, person: Person) -> str | None:
        """What the sign-up sends; None asks the vault for a one-time password."""
        match self.way:
            case Way.COLUMN:
                return person.password
            case Way.ONE_TIME:
                return None
            case Way.GENERATE:
                return self.known(person) or self._keep(person, {"password": generate_password()}, "password")

    def known(self, person: Person) -> str | None:
        """With what this person can sign in, if that is known yet."""
        return person.password or self._known.get((person.line, person.login))

    def after_sign_up(self, person: Person, user_id: UUID, one_time: str | None) -> None:
        """Keep the one-time password that the vault made."""
        if one_time is not None:
            self._keep(person, {"user_id": str(user_id), "one_time_password": one_time}, "one_time_password")

    def _keep(self, person: Person, members: dict[str, str], secret: str) -> str:
        if self._handover is None:
            raise AssertionError("the command demands a file to hand passwords over")
        self._handover.append({"line": person.line, "login": person.login, **members})
        self._known[person.line, person.login] = members[secret]
        return members[secret]
