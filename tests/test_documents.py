"""What the documents show can be used as it stands."""

import os
import re
import subprocess
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer.main

from tests.records.signed_in import TENANT, Records
from tests.rig.postgres import TestDatabase
from vault_service.api.metrics import Metrics
from vault_service.audit.figures import SealingFigures
from vault_service.audit.siem.metrics import SiemMetrics
from vault_service.ceremony.plan_file import parse_plan
from vault_service.cli.main import create_app
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.kept.tombstones import Tombstones
from vault_service.policy.load import load_policies
from vault_service.recovery.figures import RecoveryFigures
from vault_service.rotation.figures import RotationFigures
from vault_service.settings import Settings
from vault_service.storage.records.users import ensure_user

ROOT = Path(__file__).parents[1]
POLICIES = load_policies(ROOT / "policies")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


@pytest.mark.parametrize("document", re.findall(r"```toml\n(.*?)```", OPERATIONS, re.DOTALL))
def test_the_settings_of_the_operations_page_are_valid(document: str) -> None:
    assert Settings(**tomllib.loads(document))


def test_the_genesis_plan_of_the_operations_page_is_one() -> None:
    plan, _rules = re.findall(r"```yaml\n(.*?)```", OPERATIONS, re.DOTALL)

    assert [officer.name for officer in parse_plan(plan.encode()).officers] == ["ana", "bob", "cleo"]


def test_the_alarms_of_the_operations_page_are_about_figures_that_there_are(keys_db: TestDatabase) -> None:
    """A rule about a figure that nobody shows is silent for ever."""
    _plan, rules = re.findall(r"```yaml\n(.*?)```", OPERATIONS, re.DOTALL)
    shown = Metrics.create()
    shown.watch_pool(lambda: {"requests_waiting": 0})
    shown.watch_parts(lambda: {"token": "ok"})
    SealingFigures(shown.registry, "keys")
    RotationFigures(shown.registry)
    SiemMetrics.create(shown.registry)
    db = keys_db.open("vault_worker_keys", size=1)
    RecoveryFigures(db, POLICIES.recovery.drill, shown.registry, began=datetime.now(UTC))
    db.close()
    figures = {
        metric.name + ("_total" if metric.type == "counter" else "") for metric in shown.registry.collect()
    }

    named = set(re.findall(r"\bvault_\w+", rules))

    assert len(named) >= 10
    assert named <= figures


def test_the_operations_page_shows_every_section_of_the_settings() -> None:
    shown = set(re.findall(r"^\[(\w+)\]", OPERATIONS, re.MULTILINE))

    assert {"kms", "api", "worker_keys", "worker_records", "operator"} <= shown


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_commands_that_a_document_names_exist_with_their_options(path: Path) -> None:
    vaultctl = typer.main.get_command(create_app())
    for line in re.findall(r"vaultctl ((?:[a-z][a-z-]* ?)+)((?:--[a-z-]+)?)", path.read_text("utf-8")):
        words, option = line[0].split(), line[1]
        command = vaultctl
        while words and (inner := getattr(command, "commands", {}).get(words[0])) is not None:
            command, words = inner, words[1:]
        assert command is not vaultctl, line
        assert not option or any(option in parameter.opts for parameter in command.params), line


def test_links_between_the_documents_lead_somewhere() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_steps_after_a_restored_records_database_end_sessions_and_name_the_erased(
    records_db: TestDatabase, tmp_path: Path
) -> None:
    """Run as the page shows them, on the list that the key service keeps."""
    erased, begun, other = (UserId(new_uuid()) for _ in range(3))
    tombstones = Tombstones(tmp_path)
    tombstones.begin(erased)
    tombstones.add(erased)
    tombstones.begin(begun)
    people = Records(records_db, records_db.open("vault_api", size=1))
    people.sign_up()
    people.sign_up()
    with people.db.transaction() as conn:
        for user in (erased, begun, other):
            ensure_user(conn, user, TENANT, 1, people.clock())
    people.db.close()
    (script,) = re.findall(r"<<'END'\n(.*?)END\n", OPERATIONS, re.DOTALL)

    subprocess.run(
        ["psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", records_db.dsn("vault_records_migrator")],
        input=script, text=True, cwd=tmp_path, check=True, capture_output=True, timeout=30,
        env={**os.environ, "PGPASSWORD": records_db.password("vault_records_migrator")},
    )  # fmt: skip

    assert people.sql("SELECT count(*) FROM sessions") == [(0,)]
    assert people.sql("SELECT user_id, kind FROM intents") == [(erased, "erase")]
