"""The folders of one vault on one machine, and whom each belongs to.

No service can read another's files: every folder that holds something belongs to one user (0700),
and the folders on the way to it (0711) can be passed through but not listed.
"""

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vault_service.dev.process import User, current_user, give
from vault_service.dev.users import Users
from vault_service.domain.errors import ConfigurationError

# sockaddr_un has 108 bytes (unix(7)); the rest is room for what PostgreSQL appends.
_SOCKET_PATH_LIMIT = 100
_LONGEST_SOCKET = "kms/kms-worker-records.sock"


@dataclass(frozen=True, slots=True)
class Home:
    """$VAULT_HOME and the folder of its sockets (elsewhere when $VAULT_HOME lies deep)."""

    path: Path
    run: Path

    @property
    def settings(self) -> Path:
        """What every process reads; no secret stands in it."""
        return self.path / "vault.toml"

    @property
    def recovery_policy(self) -> Path:
        """The demo's recovery.toml; no secret stands in it."""
        return self.path / "recovery.toml"

    @property
    def pages_policy(self) -> Path:
        """The demo's pages.toml; no secret stands in it."""
        return self.path / "pages.toml"

    @property
    def ready(self) -> Path:
        """There while the vault can be used."""
        return self.path / "ready.json"

    @property
    def log(self) -> Path:
        """One file for each process."""
        return self.path / "log"

    @property
    def postgres(self) -> Path:
        """The cluster."""
        return self.path / "postgres"

    @property
    def postgres_sockets(self) -> Path:
        """The server's socket; only the server may put one there."""
        return self.run / "pg"

    @property
    def kms_sockets(self) -> Path:
        """The key service's sockets; only the key service may put one there."""
        return self.run / "kms"

    @property
    def witness_sockets(self) -> Path:
        """Where the records side's worker is asked for cosignatures; only it may put a socket there."""
        return self.run / "witness"

    @property
    def tokens(self) -> Path:
        """Both soft tokens, each in a folder of its own."""
        return self.path / "tokens"

    @property
    def ceremony(self) -> Path:
        """Share sets, and the escrow token's lock."""
        return self.path / "ceremony"

    @property
    def officers(self) -> Path:
        """Key files of the demo officers."""
        return self.path / "demo-officers"

    @property
    def operator_secrets(self) -> Path:
        """What only the operator may read."""
        return self.path / "secrets" / "operator"

    @property
    def app_key(self) -> Path:
        """The demo app's key."""
        return self.operator_secrets / "demo-app.key"

    @property
    def page_app_key(self) -> Path:
        """The same key once more: the user's page acts as the demo app."""
        return self.path / "secrets" / "api" / "demo-app.key"

    @property
    def token_secrets(self) -> Path:
        """The online token's PIN."""
        return self.path / "secrets" / "kms"

    @property
    def cosigner_secrets(self) -> Path:
        """The key that the records side's worker cosigns with: never on a key service's host."""
        return self.path / "secrets" / "worker-records"

    def database_passwords(self, side: str) -> Path:
        """One side's password files; each belongs to the user of its role."""
        return self.path / "secrets" / f"{side}-database"

    def state(self, process: str) -> Path:
        """What one process remembers outside the databases."""
        return self.path / "state" / process


def prepare_home(path: Path, users: Users) -> Home:
    """Make all folders and set their owners; may be repeated."""
    us = current_user()
    path.mkdir(mode=0o711, parents=True, exist_ok=True)
    home = Home(path, _run_folder(path, us))
    for folder in (path, path / "secrets", path / "state", home.tokens):
        _folder(folder, us, 0o711)
    for side in ("keys", "records"):
        _folder(home.database_passwords(side), us, 0o711)
    owners = {
        home.log: us,
        home.officers: us,
        home.operator_secrets: us,
        home.ceremony: users.ceremony,
        home.postgres: users.postgres,
        home.page_app_key.parent: users.api,
        home.token_secrets: users.kms,
        home.cosigner_secrets: users.worker_records,
        home.state("kms"): users.kms,
        home.state("api"): users.api,
        home.state("worker_keys"): users.worker_keys,
        home.state("worker_records"): users.worker_records,
        home.state("recovery"): us,
        home.state("console"): users.console,
    }
    for folder, owner in owners.items():
        _folder(folder, owner, 0o700)
    _folder(home.postgres_sockets, users.postgres, 0o755)
    _folder(home.kms_sockets, users.kms, 0o755)
    _folder(home.witness_sockets, users.worker_records, 0o755)
    return home


def _folder(path: Path, owner: User, mode: int) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    give(path, owner, mode)


def _run_folder(home: Path, us: User) -> Path:
    """$VAULT_HOME/run, or where it leads: sockets need a short path.

    Raises ConfigurationError when it leads to a folder that somebody else may write to.
    """
    run = home / "run"
    fits = len(os.fsencode(run / _LONGEST_SOCKET)) < _SOCKET_PATH_LIMIT
    if fits and "," not in str(run):  # libpq takes a host with a comma for a list of hosts
        if run.is_symlink():  # $VAULT_HOME was moved
            run.unlink()
        _folder(run, us, 0o755)
        return run
    if run.is_symlink() and run.exists():
        target = run.readlink()
        facts = target.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != us.uid or facts.st_mode & 0o022:
            raise ConfigurationError(
                f"{run} leads to {target}, which is not ours alone", remedy=f"Remove the link {run}."
            )
        return target
    if run.is_symlink():  # its target is gone: /tmp is emptied at boot
        run.unlink()
    target = Path(tempfile.mkdtemp(prefix="vault-run-", dir="/tmp"))  # mkdtemp: ours, 0700
    _folder(target, us, 0o755)
    run.symlink_to(target)
    return target


def hand_over(folder: Path, owner: User) -> None:
    """Give a folder and all in it to one user, closed to everybody else; symbolic links are not followed."""
    give(folder, owner, 0o700)
    for place, folders, files in os.walk(folder, followlinks=False):
        for name in folders:
            give(Path(place, name), owner, 0o700)
        for name in files:
            path = Path(place, name)
            if not path.is_symlink():
                give(path, owner, 0o600)
