"""A whole vault on one machine, from nothing to ready, and back to nothing left running."""

import fcntl
import os
import socket
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vault_service.dev import demo
from vault_service.dev.account import Account
from vault_service.dev.cluster import Cluster
from vault_service.dev.configure import (
    CHECKOUT,
    POLICIES,
    Cosigning,
    Ports,
    database_dsn,
    kms_socket,
    write_settings,
)
from vault_service.dev.cosigner import cosigning
from vault_service.dev.genesis import Tokens, read_fingerprint, run_genesis
from vault_service.dev.home import prepare_home
from vault_service.dev.process import current_user, give
from vault_service.dev.processes import answers, postgres, services
from vault_service.dev.supervisor import StopRequested, Supervisor, stop_signals
from vault_service.dev.users import Users, check_reach, prepare_users
from vault_service.domain.errors import ConfigurationError, UnavailableError
from vault_service.process import end_with_parent as ask_to_end_with_parent
from vault_service.storage.migrate import migrate
from vault_service.storage.roles import LAYOUTS, Side, create_server_roles

_SIDES: tuple[Side, Side] = ("keys", "records")
_PORT_PATIENCE_S = 5.0  # the socket of a killed predecessor may take a moment to go
_HOST = "127.0.0.1"
_CODE = ("vault_service", "vault_service/cli", "vault_service/settings.py", "policies")


class AlreadyRunningError(ConfigurationError):
    """A vault runs in this VAULT_HOME."""

    code = "dev.already_running"
    remedy = "Stop it, or set VAULT_HOME, VAULT_API_PORT and VAULT_CONSOLE_PORT to run another one beside it."


def run(
    path: Path,
    *,
    api_port: int,
    console_port: int,
    policies: Path = POLICIES,
    end_with_parent: bool = False,
) -> None:
    """Set up and run a vault until SIGTERM, SIGINT or SIGHUP. Raises VaultError when it cannot start."""
    account = Account()
    with stop_signals():
        if end_with_parent:
            ask_to_end_with_parent()
        try:
            path.mkdir(mode=0o711, parents=True, exist_ok=True)
            with _sole_supervisor(path):
                ports = Ports(
                    _free(api_port, "VAULT_API_PORT"), _free(console_port, "VAULT_CONSOLE_PORT"),
                    _any_free_port(), _any_free_port(),
                )  # fmt: skip
                _Vault(path, prepare_users(), ports, policies.resolve(), account).run()
        except StopRequested:
            account.say("stopped")


@contextmanager
def _sole_supervisor(path: Path) -> Generator[None]:
    with (path / "supervisor.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunningError(f"a vault runs in {path} (process {lock.read().strip()})") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _free(port: int, variable: str) -> int:
    """The port, once it is seen that it can be had. Raises ConfigurationError."""
    deadline = time.monotonic() + _PORT_PATIENCE_S
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            try:
                probe.bind((_HOST, port))
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ConfigurationError(
                        f"port {port} cannot be used: {error.strerror}",
                        remedy=f"Set {variable} to a free one.",
                    ) from error
            else:
                return port
        time.sleep(0.1)


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


class _Vault:
    """One run."""

    def __init__(self, path: Path, users: Users, ports: Ports, policies: Path, account: Account) -> None:
        self._users = users
        self._ports = ports
        self._policies = policies
        self._account = account
        self._home = prepare_home(path, users)
        self._tokens = Tokens(self._home, users)
        self._cluster = Cluster(
            self._home.postgres,
            self._home.postgres_sockets,
            self._home.operator_secrets / "postgres-superuser.password",
            users.postgres,
        )
        self._api_url = f"http://{_HOST}:{ports.api}"
        self._console_probe = f"http://{_HOST}:{ports.console}"  # whatever localhost means here
        self._introduced = False
        self._lasting: Mapping[str, int] = {}

    def run(self) -> None:
        """Start everything, then watch; whatever ends it, nothing is left running."""
        self._home.ready.unlink(missing_ok=True)
        supervisor = Supervisor(self._home.log, self._account.say)
        try:
            self._start(supervisor)
            with self._account.step("see that the vault is ready"):
                supervisor.await_all(self._is_ready)
            supervisor.watch(all_ready=self._is_ready, announce=self._announce)
        finally:
            self._home.ready.unlink(missing_ok=True)
            supervisor.stop()

    def _start(self, supervisor: Supervisor) -> None:
        self._account.say(f"vault in {self._home.path}")
        if self._users.separated:
            ours = Path(sys.prefix) == CHECKOUT / ".venv"
            check_reach(self._users.all(), CHECKOUT, (*_CODE, ".venv/pyvenv.cfg") if ours else _CODE)
            check_reach(self._users.all(), self._home.path, ("run",))
        else:
            self._account.say("  not root: all processes run as you, and can read one another's files")
        with self._account.step("prepare two soft tokens"):
            module = self._tokens.prepare()
        if not self._cluster.exists():
            with self._account.step("make a PostgreSQL cluster"):
                self._cluster.create()
        with self._account.step("start PostgreSQL"):
            supervisor.start(postgres(self._cluster))
        for side in _SIDES:
            with self._account.step(f"bring the {side} database up to date"):
                self._bring_up_to_date(side)
        fingerprint = read_fingerprint(self._home)
        self._write_settings(module, fingerprint)
        if not fingerprint:
            with self._account.step("make keys and demo officers, split the escrow PIN among them"):
                fingerprint = run_genesis(self._tokens, self._renew_folders)
        with self._account.step("see to the key that the records side cosigns with"):
            witness = cosigning(self._home, self._users.worker_records, fingerprint)
        self._write_settings(module, fingerprint, witness)
        self._tokens.hand_over()
        with self._account.step("start the key service, the API, the console, the workers and the ceremony"):
            supervisor.start(
                *services(
                    self._home, self._users, api_url=self._api_url, console_url=self._console_probe,
                    before_api=self._hand_the_page_its_key,
                )
            )  # fmt: skip

    def _renew_folders(self) -> None:
        prepare_home(self._home.path, self._users)

    def _write_settings(self, module: Path, fingerprint: str, witness: Cosigning | None = None) -> None:
        write_settings(
            self._home, self._users, self._ports, module=module, fingerprint=fingerprint, cosigning=witness,
            policies=self._policies,
        )  # fmt: skip

    def _bring_up_to_date(self, side: Side) -> None:
        files = create_server_roles(self._cluster.admin_dsn, side, self._home.database_passwords(side))
        owners = {
            "vault_kms": self._users.kms,
            "vault_api": self._users.api,
            "vault_worker_keys": self._users.worker_keys,
            "vault_worker_records": self._users.worker_records,
            "vault_ceremony": self._users.ceremony,
            "vault_disclosure": self._users.ceremony,
            "vault_recovery": self._users.console,
            "vault_auditor_keys": self._users.console,
            "vault_auditor_records": self._users.console,
        }
        for role, file in files.items():
            give(file, owners.get(role, current_user()), 0o600)
        migrator = LAYOUTS[side].migrator
        migrate(database_dsn(self._home, side, migrator), files[migrator].read_text("ascii").strip(), side)

    def _is_ready(self) -> bool:
        return answers(f"{self._api_url}/readyz") and answers(f"{self._console_probe}/sign-in")

    def _app_key(self) -> str:
        return demo.demo_app_key(self._home, f"unix:{kms_socket(self._home, 'operator')}")

    def _hand_the_page_its_key(self) -> None:
        """Until the key service answers again, the API starts with the key that it was given before."""
        with suppress(UnavailableError):
            demo.write_private(self._home.page_app_key, self._app_key() + "\n")
            give(self._home.page_app_key, self._users.api, 0o600)

    def _announce(self, pids: Mapping[str, int]) -> None:
        key = self._app_key()
        metrics_url = f"http://{_HOST}:{self._ports.metrics}/metrics"
        addresses = {
            "api_url": self._api_url,
            "console_url": self._ports.console_origin,
            "user_page_url": f"{self._ports.page_origin}/me",
            "metrics_url": metrics_url,
        }
        demo.write_ready(self._home, addresses, app_key=key, pids=pids)
        lasting = {name: pid for name, pid in pids.items() if name != "ceremony"}  # each serves once
        if self._introduced:
            if lasting != self._lasting:
                self._account.say("ready again")
            self._lasting = lasting
            return
        self._lasting = lasting
        self._introduced = True
        login = demo.login_to_try()
        self._account.say(
            f"\nThe vault is ready.\n"
            f"  API      {self._api_url}  (documentation: {self._api_url}/docs)\n"
            f"  console  {addresses['console_url']}  (for officers)\n"
            f"  users    {addresses['user_page_url']}  (their own page)\n"
            f"  metrics  {metrics_url}\n"
            f"  app key  {key}  (of the app demo; also in {self._home.app_key})\n\n"
            f"Sign up, sign in, store:\n\n{demo.lines_to_try(self._api_url, key, login)}\n\n"
            f"{demo.officers_to_try(self._home, self._api_url, key, login)}\n\n"
            f"Ctrl-C stops everything; the data stays in {self._home.path}."
        )
