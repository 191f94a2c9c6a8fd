"""The users that the processes run as: one for each when we are root, all ourselves when we are not."""

import os
import pwd
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vault_service.dev import process
from vault_service.dev.process import User, current_user, find_user
from vault_service.domain.errors import ConfigurationError

_TIMEOUT_S = 20

CODE = ("vault_service", "policies", ".venv")
"""The folders of a checkout that services read."""


@dataclass(frozen=True, slots=True)
class Users:
    """Whom each process runs as."""

    postgres: User
    kms: User
    api: User
    worker_keys: User
    worker_records: User
    ceremony: User
    console: User

    @property
    def separated(self) -> bool:
        """Whether one process is kept from another's files by the system."""
        return self.kms.uid != self.api.uid

    def all(self) -> tuple[User, ...]:
        """Each once."""
        every = (
            self.postgres, self.kms, self.api, self.worker_keys, self.worker_records, self.ceremony,
            self.console,
        )  # fmt: skip
        return tuple(dict.fromkeys(every))


def prepare_users() -> Users:
    """Find the service users, making those that are missing; raises ConfigurationError."""
    if os.geteuid() != 0:
        us = current_user()
        return Users(us, us, us, us, us, us, us)
    return Users(
        postgres=find_user("postgres"),
        kms=_ensure("vault-kms"),
        api=_ensure("vault-api"),
        worker_keys=_ensure("vault-worker-keys"),
        worker_records=_ensure("vault-worker-records"),
        ceremony=_ensure("vault-ceremony"),
        console=_ensure("vault-console"),
    )


def _ensure(name: str) -> User:
    try:
        pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        made = process.run(
            [*command, "--shell", "/usr/sbin/nologin", name], user=current_user(), timeout_s=_TIMEOUT_S
        )
        if made.returncode != 0:
            raise ConfigurationError(
                f"the user {name} cannot be made: {made.stdout.strip()}",
                remedy=f"useradd --system --user-group {name}",
            ) from None
    return find_user(name)


# Prints the first place that fails: "x PATH" must be passed through, "r PATH" must be read.
_PROBE = """
while test $# -gt 1; do
  test -"$1" "$2" || { echo "$2"; exit 1; }
  test "$1" = x || ! test -d "$2" || test -x "$2" || { echo "$2"; exit 1; }
  shift 2
done
"""


def check_reach(users: Iterable[User], checkout: Path, places: Sequence[str]) -> None:
    """See that every user can read these files and list these folders of the checkout.

    Raises ConfigurationError with the exact remedy: a clone in /root or in a home folder, or one
    made under umask 077, is closed to service users.
    """
    needs: dict[tuple[str, str], None] = {}  # an ordered set, outermost folder first
    for place in (checkout / name for name in places):
        needs |= {("x", str(folder)): None for folder in reversed(place.parents)}
        needs[("r", str(place))] = None
    arguments = [word for need in needs for word in need]
    for user in users:
        done = process.run(["sh", "-c", _PROBE, "sh", *arguments], user=user, timeout_s=_TIMEOUT_S)
        if done.returncode != 0:
            blocked = Path(done.stdout.strip())
            raise ConfigurationError(
                f"the user {user.name}, as whom a service runs, cannot reach {blocked}",
                remedy=f"Run: {_opening(blocked, checkout)} (or move the clone, for example to /srv).",
            )


def _opening(blocked: Path, checkout: Path) -> str:
    if not blocked.is_relative_to(checkout):
        return f"chmod o+x {blocked}"
    # Not the whole checkout: .vault with its secrets may lie in it.
    code = " ".join(str(checkout / name) for name in CODE)
    return f"chmod o+x {checkout} && chmod -R o+rX {code}"
