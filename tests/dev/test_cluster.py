"""A PostgreSQL of one's own: closed to everybody without a password, and always startable again."""

import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.dev.waiting import is_running, until
from vault_service.dev import process
from vault_service.dev.cluster import Cluster
from vault_service.domain.errors import ConfigurationError, DatabaseUnavailableError

pytestmark = pytest.mark.slow


def empty_cluster(folder: Path) -> Cluster:
    """Folders for a cluster, each with its owner."""
    user = process.find_user("postgres") if os.geteuid() == 0 else process.current_user()
    folder.mkdir(mode=0o755)
    for name, mode in (("postgres", 0o700), ("run", 0o755)):
        (folder / name).mkdir()
        process.give(folder / name, user, mode)
    return Cluster(folder / "postgres", folder / "run", folder / "password", user, durable=False)


@pytest.fixture(scope="module")
def initialised(scratch: Path) -> Cluster:
    """One that initdb made; to be copied, not started."""
    made = empty_cluster(scratch / "initialised")
    made.create()
    return made


@pytest.fixture
def cluster(initialised: Cluster, scratch: Path) -> Iterator[Cluster]:
    """One of this test's own."""
    copy = empty_cluster(Path(tempfile.mkdtemp(dir=scratch)) / "c")
    copy.folder.parents[1].chmod(0o755)
    subprocess.run(["cp", "-a", str(initialised.data), str(copy.data)], check=True)
    subprocess.run(["cp", "-a", str(initialised.password_file), str(copy.password_file)], check=True)
    yield copy
    copy.settle()


def log_of(cluster: Cluster) -> Path:
    return cluster.folder.parent / "log"


def test_it_starts_answers_and_stops(cluster: Cluster) -> None:
    server = cluster.start(log_of(cluster))

    with psycopg.connect(cluster.admin_dsn) as conn:
        assert conn.execute("SHOW data_checksums").fetchone() == ("on",)
    cluster.stop(server)

    assert server.returncode == 0
    assert not cluster.is_ready()


def test_nobody_gets_in_without_the_password_not_even_the_operating_systems_postgres(
    cluster: Cluster,
) -> None:
    server = cluster.start(log_of(cluster))
    asked = process.run(
        [
            str(cluster.programs / "psql"),
            "-w",
            "-h",
            str(cluster.sockets),
            "-U",
            "postgres",
            "-c",
            "SELECT 1",
        ],
        user=cluster.run_as,
        timeout_s=20,
    )
    cluster.stop(server)

    assert asked.returncode != 0
    assert "no password supplied" in asked.stdout


def test_it_listens_on_a_unix_socket_only(cluster: Cluster) -> None:
    server = cluster.start(log_of(cluster))
    inodes = {str(link.readlink()) for link in Path(f"/proc/{server.pid}/fd").iterdir()}
    on_tcp = [
        line for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if f"socket:[{line.split()[9]}]" in inodes
    ]  # fmt: skip
    cluster.stop(server)

    assert on_tcp == []
    assert not any(
        line.startswith("host") for line in (cluster.data / "pg_hba.conf").read_text().splitlines()
    )


def test_the_password_is_in_one_file_that_only_the_operator_can_read(cluster: Cluster) -> None:
    password = cluster.password_file.read_text().strip()
    copies = [
        file for file in cluster.folder.parent.rglob("*")
        if file.is_file() and file != cluster.password_file and password.encode() in file.read_bytes()
    ]  # fmt: skip

    assert stat.S_IMODE(cluster.password_file.stat().st_mode) == 0o600
    assert cluster.password_file.stat().st_uid == os.geteuid()
    assert copies == []


def test_its_log_holds_no_value_of_a_statement_that_failed(cluster: Cluster) -> None:
    """By default the server logs the statement, and with a violated constraint the row."""
    server = cluster.start(log_of(cluster))
    with psycopg.connect(cluster.admin_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE people (name text PRIMARY KEY)")
        conn.execute("INSERT INTO people VALUES ('canary-quetzal')")
        for wrong in (
            "INSERT INTO people VALUES ('canary-quetzal')",
            "SELECT no_such_column, 'canary-quetzal' FROM people",
        ):
            with pytest.raises(psycopg.Error):
                conn.execute(wrong.encode())
    cluster.stop(server)

    said = log_of(cluster).read_text()
    assert "duplicate key value" in said
    assert "canary-quetzal" not in said


def test_data_survives_a_kill_9_of_the_server(cluster: Cluster) -> None:
    cluster = replace(cluster, durable=True)
    server = cluster.start(log_of(cluster))
    with psycopg.connect(cluster.admin_dsn) as conn:
        conn.execute("CREATE TABLE kept (n integer)")
    holding_on = psycopg.connect(cluster.admin_dsn, autocommit=True)

    server.send_signal(signal.SIGKILL)
    server.wait()
    server = cluster.start(log_of(cluster))  # although a process of the dead server may still be there

    holding_on.close()
    with psycopg.connect(cluster.admin_dsn) as conn:
        conn.execute("SELECT n FROM kept")
    cluster.stop(server)


def test_a_stale_pid_file_that_names_a_living_process_does_not_keep_it_from_starting(
    cluster: Cluster,
) -> None:
    """In a container ids come again soon; PostgreSQL itself would refuse to start."""
    other = process.start(["sleep", "60"], user=cluster.run_as, output=log_of(cluster).open("ab"))
    lines = [str(other.pid), str(cluster.data), "1", "5432", str(cluster.sockets), "", "0 0", "ready"]
    (cluster.data / "postmaster.pid").write_text("\n".join(lines) + "\n")

    server = cluster.start(log_of(cluster))

    assert is_running(other.pid)
    cluster.stop(server)
    other.kill()
    other.wait()


def test_a_second_start_ends_the_first_server_rather_than_damage_its_data(cluster: Cluster) -> None:
    first = cluster.start(log_of(cluster))

    second = cluster.start(log_of(cluster))

    assert first.wait(10) == 0
    cluster.stop(second)


def test_a_server_that_does_not_stop_is_killed(cluster: Cluster) -> None:
    server = cluster.start(log_of(cluster))
    server.send_signal(signal.SIGSTOP)

    cluster.stop(server)

    assert server.returncode == -signal.SIGKILL


def test_a_start_that_fails_says_what_the_server_said(cluster: Cluster) -> None:
    (cluster.data / "postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(DatabaseUnavailableError, match="no_such_setting"):
        cluster.start(log_of(cluster))


def test_an_interrupted_initdb_leaves_nothing_that_counts_as_a_cluster(cluster: Cluster) -> None:
    unfinished = cluster.data.rename(cluster.folder / "data.new")
    assert not cluster.exists()

    cluster.create()

    assert cluster.exists()
    assert not unfinished.exists()
    cluster.stop(cluster.start(log_of(cluster)))


def test_root_never_runs_it(cluster: Cluster) -> None:
    root = process.User("root", 0, 0)
    as_root = Cluster(cluster.folder.parent / "other", cluster.sockets, cluster.password_file, root)

    with pytest.raises(ConfigurationError, match="not run as root"):
        as_root.create()


def test_it_ends_with_whoever_started_it(cluster: Cluster, tmp_path: Path) -> None:
    """A test run or supervisor that is killed leaves no server."""
    server = cluster.start(log_of(cluster))
    assert server.poll() is None
    cluster.stop(server)
    starter = os.fork()
    if starter == 0:
        server = cluster.start(log_of(cluster))
        (tmp_path / "pid").write_text(str(server.pid))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(starter, 0)

    until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def test_a_socket_folder_with_quotes_and_spaces_works(scratch: Path) -> None:
    folder = scratch / 'it\'s a "folder"'
    cluster = empty_cluster(folder)
    cluster.create()
    server = cluster.start(folder / "log")

    with psycopg.connect(cluster.admin_dsn) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    cluster.stop(server)
