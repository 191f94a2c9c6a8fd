"""`vaultctl init-server` and `vaultctl migrate`, as an operator calls them on a new server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from tests.rig.postgres import TestServer
from vault_service.cli.main import create_app
from vault_service.cli.output import EXIT_CONFIGURATION, EXIT_USAGE, exit_code
from vault_service.domain.errors import ConfigurationError, VaultError
from vault_service.storage.roles import LAYOUTS, as_role

BOTH = ["0001_ground_floor.sql", "0002_sealed_log.sql", "0003_sealed_log_rights.sql", "0004_recovery.sql"]
ALL = {
    "keys": [
        *BOTH,
        "0005_rotation.sql",
        "0006_job_queue.sql",
        "0007_console.sql",
        "0008_schema_version.sql",
        "0009_events_sent_again.sql",
        "0010_epochs_told.sql",
    ],
    "records": [
        *BOTH,
        "0005_data_keys.sql",
        "0006_console.sql",
        "0007_schema_version.sql",
        "0008_events_sent_again.sql",
    ],
}


def private(path: Path, text: str) -> str:
    path.touch(0o600)
    path.write_text(text)
    return str(path)


def run(*arguments: str) -> "dict[str, object]":
    """The command's JSON answer; its error is raised."""
    done = CliRunner().invoke(create_app(), [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


@pytest.fixture(params=["init-server", "init"])
def new_server(
    request: pytest.FixtureRequest, postgres: TestServer, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """A server prepared for both sides, by either name of the command: role -> password file."""
    admin = private(tmp_path / "admin.dsn", postgres.cluster.admin_dsn)
    folder = str(postgres.folder / "passwords")  # the roles are the server's, and so are their passwords
    yield {
        str(role): str(path)
        for role, path in run(
            request.param, "--side", "both", "--admin-dsn-file", admin, "--passwords-dir", folder
        ).items()
    }
    with postgres.admin() as conn:
        for layout in LAYOUTS.values():
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(layout.database)))


def test_a_new_server_is_made_and_migrated_side_by_side(
    postgres: TestServer, new_server: dict[str, str], tmp_path: Path
) -> None:
    assert new_server.keys() == {role for layout in LAYOUTS.values() for role in layout.logins}
    for side, layout in LAYOUTS.items():
        dsn = private(tmp_path / side, f"host={postgres.cluster.sockets} dbname={layout.database}")
        options = ("--side", side, "--dsn-file", dsn, "--password-file", new_server[layout.migrator])

        assert run("migrate", *options, "--dry-run") == {"dry_run": True, side: ALL[side]}
        assert run("migrate", *options) == {"dry_run": False, side: ALL[side]}
        assert run("migrate", *options) == {"dry_run": False, side: []}


def test_a_host_that_has_settings_needs_no_options(
    postgres: TestServer,
    new_server: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DSN and folder are those of a process of this host; the migrator's file stands beside its own."""

    def section(side: str, role: str) -> str:
        dsn = f"host={postgres.cluster.sockets} dbname=vault_{side} user={role}"
        database = f'dsn = "{dsn}"\npassword_file = "{new_server[role]}"\n'
        head = f'[worker_{side}]\nstate_dir = "{tmp_path}"\nkms = {{ url = "unix:/none" }}\n'
        return f"{head}[worker_{side}.database]\n{database}"

    settings = tmp_path / "vault.toml"
    settings.write_text(
        f'policies_dir = "{tmp_path}"\n'
        + section("keys", "vault_worker_keys")
        + section("records", "vault_worker_records")
    )
    monkeypatch.setenv("VAULT_SETTINGS", str(settings))

    assert run("migrate") == {"dry_run": False, **ALL}


def refused(*arguments: str) -> VaultError:
    with pytest.raises(VaultError) as raised:
        run(*arguments)
    return raised.value


def test_files_for_both_databases_at_once_are_refused(tmp_path: Path) -> None:
    error = refused("migrate", "--dsn-file", private(tmp_path / "dsn", "dbname=x"))

    assert exit_code(error) == EXIT_USAGE


def test_an_administrators_dsn_that_others_can_read_is_refused(postgres: TestServer, tmp_path: Path) -> None:
    open_file = tmp_path / "admin.dsn"
    open_file.write_text(postgres.cluster.admin_dsn)
    open_file.chmod(0o644)

    error = refused(
        "init-server", "--side", "keys", "--admin-dsn-file", str(open_file), "--passwords-dir", str(tmp_path)
    )

    assert exit_code(error) == EXIT_CONFIGURATION
    assert list(tmp_path.glob("*.password")) == []


def test_the_migrators_dsn_is_another_roles_without_its_password() -> None:
    dsn = "postgresql://someone:secret@db1.internal/vault_keys?sslmode=verify-full"

    assert conninfo_to_dict(as_role(dsn, "migrator")) == {
        "user": "migrator", "host": "db1.internal", "dbname": "vault_keys", "sslmode": "verify-full",
    }  # fmt: skip
    with pytest.raises(ConfigurationError):
        as_role("no dsn at all", "migrator")
