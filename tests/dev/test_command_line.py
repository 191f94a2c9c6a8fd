"""vaultctl says what is wrong, what to do about it, and ends with a code that scripts can use."""

import json
import subprocess
from pathlib import Path

import pytest

from vault_service.cli.output import exit_code, say, say_rows
from vault_service.dev.process import vaultctl
from vault_service.domain.errors import (
    ConfigurationError,
    InvalidInputError,
    KmsUnavailableError,
    LoginTakenError,
    ManifestError,
    OutcomeUnknownError,
    VaultError,
)

pytestmark = pytest.mark.slow


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        vaultctl(*arguments), capture_output=True, text=True, timeout=60, check=False,
        env={"VAULT_HOME": str(home), "PATH": "/usr/bin:/bin", "COLUMNS": "100"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInputError("name"), 2),
        (ConfigurationError("x"), 3),
        (ManifestError("x"), 3),
        (KmsUnavailableError("x"), 4),
        (OutcomeUnknownError("x"), 4),
        (LoginTakenError(), 5),
        (VaultError(), 5),
    ],
)
def test_the_exit_code_tells_the_kind_of_failure(error: VaultError, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_is_two_lines_and_no_traceback(tmp_path: Path) -> None:
    done = run("serve", "kms", home=tmp_path)

    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/vault.toml does not exist",
        "remedy: Run make run, or set VAULT_HOME or VAULT_SETTINGS.",
    ]


def test_with_json_an_error_is_one_object_on_standard_error(tmp_path: Path) -> None:
    done = run("init", "--json", home=tmp_path)

    assert done.returncode == 3
    assert done.stdout == ""
    assert json.loads(done.stderr)["error"]["code"] == "config.invalid"


def test_an_unknown_option_is_wrong_usage(tmp_path: Path) -> None:
    assert run("serve", "kms", "--no-such-option", home=tmp_path).returncode == 2


def test_a_worker_must_be_told_its_side(tmp_path: Path) -> None:
    assert run("serve", "worker", home=tmp_path).returncode == 2
    assert run("serve", "worker", "--side", "both", home=tmp_path).returncode == 2


def test_the_help_names_every_exit_code(tmp_path: Path) -> None:
    said = " ".join(run("--help", home=tmp_path).stdout.split())

    for meaning in (
        "0 done",
        "1 a check found",
        "2 wrong usage",
        "3 configuration",
        "4 service",
        "5 refused",
    ):
        assert meaning in said


def test_a_result_is_lines_for_people_and_an_object_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    say({"app_key": "vsa_x"}, as_json=False)
    say({"app_key": "vsa_x"}, as_json=True)

    for_people, for_scripts = capsys.readouterr().out.split("\n", 1)
    assert for_people == "app key: vsa_x"
    assert json.loads(for_scripts) == {"app_key": "vsa_x"}


def test_rows_are_a_table_for_people_and_an_array_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"name": "[red]demo", "keys": 2}]

    say_rows(rows, as_json=False)
    table = capsys.readouterr().out
    say_rows(rows, as_json=True)

    assert "[red]demo" in table  # what stands in a row is no markup
    assert json.loads(capsys.readouterr().out) == rows


def test_no_rows_are_said_in_words_for_people_and_an_empty_array_for_scripts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_rows([], as_json=False, empty="no app yet")
    say_rows([], as_json=True)

    assert capsys.readouterr().out == "no app yet\n[]\n"
