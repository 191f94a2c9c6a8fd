"""`vaultctl audit export` tells whoever watches how far it is, and nothing that is not worth a line."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress
from typer.testing import CliRunner

from tests.audit.sealed_log import FINGERPRINT, sealed_vault
from tests.rig.postgres import TestDatabase
from vault_service.cli.audit_export import EVERY_S, Bars, Sentences
from vault_service.cli.main import create_app


def test_a_quick_export_says_what_was_written_and_nothing_on_its_way(
    keys_db: TestDatabase, records_db: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = sealed_vault(keys_db, records_db)
    sealed.traffic(sessions=2, reads=9)
    sealed.seal()
    (tmp_path / "audit.vkey").write_text(sealed.keys.notary.key_file())
    sections = "".join(
        f"[audit.{db.side}]\ndsn = '{db.dsn(f'vault_auditor_{db.side}')}'\n"
        f"password_file = '{db.password_file(f'vault_auditor_{db.side}')}'\n"
        for db in (keys_db, records_db)
    )
    settings = tmp_path / "vault.toml"
    settings.write_text(f"policies_dir = '{tmp_path}'\nmanifest_fingerprint = '{FINGERPRINT}'\n{sections}")
    monkeypatch.setenv("VAULT_SETTINGS", str(settings))

    out = tmp_path / "out"
    command = ["audit", "export", str(out), "--key", str(tmp_path / "audit.vkey"), "--wait", "0"]
    said = CliRunner().invoke(create_app(), command)
    done = CliRunner().invoke(create_app(), [*command, "--json"])

    assert (done.exit_code, done.stderr, said.stderr) == (0, "", "")
    assert said.stdout.splitlines() == [
        f"{out}: 11 files, 2 events of the keys log, 20 events of the records log",
        f"Next, where no operator has a hand in it: vaultctl audit verify {out} --key audit.vkey",
    ]
    written = json.loads(done.stdout)
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "MANIFEST"]
    assert written == {"folder": str(out), "files": len(files), "keys_leaves": 2, "records_leaves": 20}


def test_a_long_export_says_every_few_seconds_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    now = 100.0
    sentences = Sentences(lambda: now)

    for done in range(1, 6):
        now += EVERY_S / 2
        sentences.progress("events of the keys log", done, 5)
    sentences.warn("The keys log is not being sealed.")

    assert capsys.readouterr().err.splitlines() == [
        "events of the keys log: 2 of 5",
        "events of the keys log: 4 of 5",
        "The keys log is not being sealed.",
    ]


def test_on_a_terminal_each_part_has_a_bar_and_a_warning_is_shown_as_it_is() -> None:
    screen = io.StringIO()
    with Progress(console=Console(file=screen, force_terminal=True, width=100)) as shown:
        bars = Bars(shown)
        for done in (1, 2):
            bars.progress("events of the keys log", done, 2)
        bars.progress("bytes hashed", 1, 4)
        bars.warn("[red] is not a colour here")

        assert [(task.description, task.completed, task.total) for task in shown.tasks] == [
            ("events of the keys log", 2, 2), ("bytes hashed", 1, 4),
        ]  # fmt: skip
    assert "[red] is not a colour here" in screen.getvalue()
