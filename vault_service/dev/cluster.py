"""A PostgreSQL cluster of one's own: a Unix socket, SCRAM passwords, no TCP, never run by root.

State on disk: `data.new` while initdb works, `data` once it is whole; so an interrupted first run
leaves nothing that a second one could mistake for a cluster.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vault_service.dev import process
from vault_service.domain.errors import ConfigurationError, DatabaseUnavailableError

OLDEST_MAJOR = 15
SUPERUSER = "postgres"
PORT = 5432  # only the socket's name: nothing listens on TCP
_INITDB_TIMEOUT_S = 60
_START_TIMEOUT_S = 60  # recovery after a kill -9 replays the log first
_STOP_STEPS = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 2.0))  # fast, immediate, dead
_POLL_S = 0.02


def find_programs() -> Path:
    """The folder of the newest PostgreSQL's programs; raises ConfigurationError when there is none."""
    debian = Path("/usr/lib/postgresql")
    majors = sorted((int(p.name) for p in debian.glob("*") if p.name.isdigit()), reverse=True)
    for major in majors:
        programs = debian / str(major) / "bin"
        if major >= OLDEST_MAJOR and (programs / "initdb").exists():
            return programs
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    raise ConfigurationError(
        f"PostgreSQL {OLDEST_MAJOR} or newer is not installed", remedy="Run make setup as root or with sudo."
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a cluster lies and who runs it."""

    folder: Path  # owned by run_as, mode 0700
    sockets: Path  # owned by run_as, mode 0755: whoever may enter needs a password as well
    password_file: Path  # the superuser's; mode 0600, the operator's
    run_as: process.User
    durable: bool = True  # False: as fast as can be and lost with the power; for tests
    programs: Path = field(default_factory=find_programs)

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.folder / "data"

    @property
    def admin_dsn(self) -> str:
        """A connection string for the superuser, password included: keep it in memory."""
        host = str(self.sockets).replace("\\", "\\\\").replace("'", "\\'")
        password = self.password_file.read_text("ascii").strip()
        return f"host='{host}' port={PORT} dbname=postgres user={SUPERUSER} password={password}"

    def exists(self) -> bool:
        """Whether `create` has been through."""
        return (self.data / "PG_VERSION").exists()

    def create(self) -> None:
        """Make the cluster where there is none; raises ConfigurationError with what initdb said."""
        if self.exists():
            return
        if self.run_as.uid == 0:
            raise ConfigurationError("PostgreSQL is not run as root", remedy="Install Debian's postgresql.")
        self._write_password()
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        handed_over = self.folder / "superuser-password"  # initdb, which is not us, must read it
        handed_over.touch(0o600)
        try:
            process.give(handed_over, self.run_as, 0o600)
            handed_over.write_text(self.password_file.read_text("ascii"), "ascii")
            done = process.run(
                [
                    str(self.programs / "initdb"), "--pgdata", str(fresh), "--encoding=UTF8", "--locale=C",
                    "--auth=scram-sha-256", "--data-checksums", f"--username={SUPERUSER}",
                    f"--pwfile={handed_over}", *([] if self.durable else ["--no-sync"]),
                ],
                user=self.run_as,
                timeout_s=_INITDB_TIMEOUT_S,
            )  # fmt: skip
        finally:
            handed_over.unlink()
        if done.returncode != 0:
            raise ConfigurationError(f"initdb failed: {done.stdout.strip()}", remedy="See its message.")
        # initdb also lets in TCP and replication; there is one way in here.
        (fresh / "pg_hba.conf").write_text("local all all scram-sha-256\n", "ascii")
        self._close_databases(fresh)
        fresh.rename(self.data)

    def _close_databases(self, data: Path) -> None:
        """In those that come with the server only the superuser has any business."""
        done = process.run(
            [str(self.programs / "postgres"), "--single", "-F", "-D", str(data), SUPERUSER],
            user=self.run_as,
            timeout_s=_INITDB_TIMEOUT_S,
            given="REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;\n",
        )
        if done.returncode != 0 or "ERROR:" in done.stdout:
            raise ConfigurationError(f"postgres --single failed: {done.stdout}", remedy="See its message.")

    def _write_password(self) -> None:
        self.password_file.unlink(missing_ok=True)
        self.password_file.touch(0o600)
        self.password_file.write_text(secrets.token_urlsafe(32) + "\n", "ascii")

    def command(self) -> list[str]:
        """The server's command line; it stays in the foreground."""
        quoted = '"' + str(self.sockets).replace('"', '""') + '"'  # the setting is a list
        settings = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": quoted,
            "unix_socket_permissions": "0777",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # A statement or the detail of a violated constraint would bring values into the log.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "track_activity_query_size": "256",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.data), *options]

    def is_ready(self) -> bool:
        """Whether the server takes connections."""
        asked = process.run(
            [str(self.programs / "pg_isready"), "-q", "-h", str(self.sockets), "-p", str(PORT), "-t", "1"],
            user=process.current_user(),
            timeout_s=5,
        )
        return asked.returncode == 0

    def settle(self) -> None:
        """End whatever still works in the data directory after a kill -9, so that a start succeeds.

        Raises ConfigurationError when it does not end.
        """
        for stop_signal, patience_s in _STOP_STEPS:
            deadline = time.monotonic() + patience_s
            for pid in self._working_here():
                _signal(pid, stop_signal)
            while self._working_here():
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL_S)
            else:
                # The process id in it may be another program's by now, which PostgreSQL would respect.
                (self.data / "postmaster.pid").unlink(missing_ok=True)
                return
        raise ConfigurationError(
            f"processes {self._working_here()} still work in {self.data}",
            remedy="End them, then start again.",
        )

    def _working_here(self) -> list[int]:
        """PostgreSQL's processes stand in their data directory, the orphans of a dead server too."""
        here = self.data.resolve()
        return [pid for pid in _all_pids() if _stands_in(pid, here)]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start and wait until it takes connections; raises DatabaseUnavailableError with the log's end.

        The server ends with the thread that called this.
        """
        self.settle()
        with log.open("ab") as output:
            began = output.tell()
            server = process.start(
                self.command(), user=self.run_as, output=output, death_signal=signal.SIGQUIT
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.is_ready():
            if server.poll() is not None or time.monotonic() > deadline:
                self.stop(server)
                end = log.read_bytes()[began:].decode(errors="replace").strip()
                raise DatabaseUnavailableError(f"PostgreSQL ({end})")
            time.sleep(_POLL_S)
        return server

    def stop(self, server: subprocess.Popen[bytes]) -> None:
        """Stop in bounded time: politely, then firmly, then by force."""
        for stop_signal, patience_s in _STOP_STEPS:
            if server.poll() is not None:
                break
            server.send_signal(stop_signal)
            try:
                server.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stands_in(pid: int, folder: Path) -> bool:
    place = Path(f"/proc/{pid}")
    try:
        return (place / "cwd").readlink() == folder and (place / "comm").read_text().startswith("postgres")
    except OSError:  # ended meanwhile, a zombie, or somebody else's
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
