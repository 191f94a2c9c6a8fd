"""Start a program so that it cannot outlive us, cannot gain rights, and is not hit by our Ctrl-C."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vault_service.domain.errors import ConfigurationError

# A service sees nothing of the environment of whoever typed `make run`.
_BASE_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class User:
    """Whom a process runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        """Whether a process needs no change of user."""
        return self.uid == os.geteuid()


def current_user() -> User:
    """Whoever runs this process."""
    return User(_name_of(os.geteuid()), os.geteuid(), os.getegid())


def find_user(name: str) -> User:
    """The user of that name; raises ConfigurationError when this host has none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise ConfigurationError(
            f"this host has no user {name}", remedy=f"useradd --system --shell /usr/sbin/nologin {name}"
        ) from error
    return User(name, entry.pw_uid, entry.pw_gid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run under an id that has no name
        return str(uid)


def as_user(
    argv: Sequence[str], user: User, *, death_signal: signal.Signals | None = signal.SIGKILL
) -> list[str]:
    """The command line that runs `argv` as `user` and ends it when the thread that starts it ends.

    setpriv asks for the parent-death signal after it has changed the user: the kernel forgets the
    request at a change of user (prctl(2), PR_SET_PDEATHSIG).
    """
    command = ["setpriv", "--no-new-privs"]
    if not user.is_us:
        command += [f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
        command += ["--inh-caps=-all", "--bounding-set=-all"]
    if death_signal is not None:
        command += ["--pdeathsig", death_signal.name.removeprefix("SIG")]
    return [*command, "--", *argv]


def start(
    argv: Sequence[str],
    *,
    user: User,
    output: IO[bytes],
    environment: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own: a terminal's Ctrl-C reaches only us."""
    return subprocess.Popen(  # noqa: S603  # no shell, and no argument comes from outside
        as_user(argv, user, death_signal=death_signal),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=_BASE_ENVIRONMENT | dict(environment or {}),
        cwd="/",  # the folder we stand in may be closed to that user
        umask=0o077,
        start_new_session=True,
    )


def run(
    argv: Sequence[str],
    *,
    user: User,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    given: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a short program to its end; it reads `given`, and `stdout` has its standard error too."""
    return subprocess.run(  # noqa: S603  # no shell, and no argument comes from outside
        as_user(argv, user),
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_BASE_ENVIRONMENT | dict(environment or {}),
        cwd="/",
        umask=0o077,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def vaultctl(*arguments: str) -> list[str]:
    """The command line of another vaultctl of this same installation."""
    return [sys.executable, "-I", "-m", "vault_service.cli", *arguments]


def give(path: Path, user: User, mode: int) -> None:
    """Make a file or folder belong to `user`, closed first: never open and foreign at the same time."""
    path.chmod(mode & 0o700)
    if os.geteuid() == 0:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)
    path.chmod(mode)
