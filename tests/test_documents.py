"""What the documents show can be used as it stands."""

import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from vault_service.cli.main import create_app
from vault_service.settings import Settings

ROOT = Path(__file__).parents[1]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


@pytest.mark.parametrize("document", re.findall(r"```toml\n(.*?)```", OPERATIONS, re.DOTALL))
def test_the_settings_of_the_operations_page_are_valid(document: str) -> None:
    assert Settings(**tomllib.loads(document))


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
