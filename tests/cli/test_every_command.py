"""A command that stands in a file of its own can be called: one was lost in a merge before."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
import typer.main
from rich.text import Text

from vault_service import cli
from vault_service.cli.main import _MODULES, _commands, create_app

GROUPS = ("recovery", "officer", "ceremony", "break-glass", "policy", "app", "init", "doctor", "rotate")
PARTS = {
    "audit_export",
    "audit_resend",
    "audit_restore",
    "officer_invite",
    "officer_pin",
    "recovery_open",
    "rotate_escrow",
    "rotate_kinds",
    "rotate_others",
    "rotate_retire",
    "rotate_status",
    "rotate_worker",
}
"""They register in another module's group."""


def test_each_module_with_commands_is_part_of_the_command_line() -> None:
    modules = {
        found.name
        for found in pkgutil.iter_modules(cli.__path__)
        if hasattr(importlib.import_module(f"vault_service.cli.{found.name}"), "register")
    }

    assert modules - PARTS == {str(vars(module)["__name__"]).rpartition(".")[2] for module in _commands("")}


@pytest.mark.parametrize("group", GROUPS)
def test_each_command_shows_how_it_is_written(group: str) -> None:
    root = typer.main.get_command(create_app())
    found = vars(root)["commands"][group]

    for name, command in getattr(found, "commands", {group: found}).items():
        assert "Example" in (command.help or ""), name


@pytest.mark.parametrize("word", _MODULES)
def test_a_command_that_is_loaded_alone_is_the_same_one(word: str) -> None:
    alone, of_all = (typer.main.get_command(create_app(first)) for first in (word, ""))

    found, expected = vars(alone)["commands"][word], vars(of_all)["commands"][word]
    assert {_MODULES[each] for each in vars(alone)["commands"]} == {_MODULES[word]}
    assert sorted(getattr(found, "commands", {})) == sorted(getattr(expected, "commands", {}))
    assert found.help == expected.help


def _helps(command: object, name: str) -> Iterator[tuple[str, str]]:
    texts = [getattr(command, "help", ""), getattr(command, "epilog", "")]
    yield from ((name, text) for text in texts if text)
    for parameter in getattr(command, "params", []):
        if text := getattr(parameter, "help", ""):
            yield f"{name} {parameter.name}", text
    for word, inner in getattr(command, "commands", {}).items():
        yield from _helps(inner, f"{name} {word}".strip())


def test_no_help_loses_a_word_in_brackets() -> None:
    """A section's name, written as it stands in vault.toml, is markup unless its bracket is escaped."""
    helps = dict(_helps(typer.main.get_command(create_app()), ""))

    assert len(helps) > 100
    shown = {name: Text.from_markup(text).plain for name, text in helps.items()}
    assert [name for name, text in helps.items() if shown[name].count("[") < text.count("[")] == []


def _all_commands() -> Iterator[tuple[str, str]]:
    """Each command's words, and its help."""
    for name, found in vars(typer.main.get_command(create_app()))["commands"].items():
        for inner, command in getattr(found, "commands", {"": found}).items():
            yield f"{name} {inner}".strip(), command.help or ""


def test_help_flows_as_wide_as_the_terminal_is() -> None:
    """Lines that end where the source's do are broken again on a narrower terminal, after a word or two."""
    helps = dict(_all_commands())
    broken = [
        words
        for words, text in helps.items()
        for paragraph in text.split("\n\n")
        if not paragraph.startswith("\b") and any(line[0] not in " E" for line in paragraph.split("\n")[1:])
    ]

    assert len(helps) > 40
    assert broken == []
    assert (
        "\n  vaultctl officer keygen ana --before-genesis" in helps["officer keygen"]
    )  # examples stay lines
    assert "\nExample: " in helps["ceremony run"]
