"""scripts/rotate_*.py: each is the command that it says it is, and nothing of its own."""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from tests.rig.vault import REPOSITORY
from vault_service.cli.main import create_app

SCRIPTS = sorted((REPOSITORY / "scripts").glob("rotate_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_is_the_command_that_its_text_names(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[tuple[str, ...]] = []
    monkeypatch.setattr("vault_service.cli.main.main", run.append)

    runpy.run_path(str(script), run_name="__main__")

    ((group, name),) = run
    commands = vars(typer.main.get_command(create_app()))["commands"]
    assert name in commands[group].commands
    text = ast.get_docstring(ast.parse(script.read_text())) or ""
    assert f"This is `vaultctl {group} {name}`" in text
    assert f"scripts/{script.name}" in text


def test_what_is_typed_stands_behind_the_words_of_the_script() -> None:
    script = [sys.executable, str(REPOSITORY / "scripts" / "rotate_pepper.py"), "--help"]

    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)

    assert "Usage: vaultctl rotate pepper " in done.stdout
