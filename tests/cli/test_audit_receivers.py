"""`vaultctl audit receivers` shows each receiver of both logs, and what was set aside."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.rig.postgres import TestDatabase
from vault_service.cli.main import create_app
from vault_service.domain.errors import ConfigurationError

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """vaultctl audit receivers on an auditor's host, which knows nothing but what these databases need."""

    def run(*arguments: str, databases: tuple[TestDatabase, ...] = ()) -> Result:
        sections = "".join(
            f"[audit.{db.side}]\ndsn = '{db.dsn(f'vault_auditor_{db.side}')}'\n"
            f"password_file = '{db.password_file(f'vault_auditor_{db.side}')}'\n"
            for db in databases
        )
        (tmp_path / "vault.toml").write_text(f"policies_dir = '{tmp_path}'\n{sections}")
        monkeypatch.setenv("VAULT_SETTINGS", str(tmp_path / "vault.toml"))
        monkeypatch.setenv("COLUMNS", "120")
        return CliRunner().invoke(create_app(), ["audit", "receivers", *arguments])

    return run


def test_receivers_and_dead_letters_are_shown(
    keys_db: TestDatabase, records_db: TestDatabase, run: Run
) -> None:
    both = (keys_db, records_db)
    assert run(databases=both).stdout == "nothing\n"
    with records_db.connect("vault_worker_records") as conn:
        conn.execute(
            """INSERT INTO audit_outbox (receiver, next_index, failures, not_before, last_error, updated_at)
               VALUES ('splunk', 7, 2, now() + interval '1 hour', 'HTTP 503', now())"""
        )
        conn.execute("INSERT INTO audit_dead_letters VALUES ('splunk', 3, 'HTTP 400', now())")

    def only(*arguments: str) -> dict[str, Any]:
        (row,) = json.loads(run(*arguments, "--json", databases=both).stdout)
        return row  # type: ignore[no-any-return]  # of json

    state, letter, text = only(), only("--dead-letters"), run(databases=both)
    assert state | {"next_try_in_s": 0, "updated_at": ""} == {
        "log": "records", "receiver": "splunk", "next_index": 7, "behind": 0, "failures": 2,
        "next_try_in_s": 0, "last_error": "HTTP 503", "dead_letters": 1, "updated_at": "",
    }  # fmt: skip
    assert state["next_try_in_s"] > 3000
    assert letter | {"at": ""} == {
        "log": "records", "receiver": "splunk", "index": 3, "error": "HTTP 400", "at": "",
    }  # fmt: skip
    assert text.exit_code == 0
    assert "splunk" in text.stdout


def test_without_the_auditors_settings_it_says_which_to_add(run: Run) -> None:
    error = run().exception

    assert isinstance(error, ConfigurationError)
    assert "[audit.keys]" in error.remedy
