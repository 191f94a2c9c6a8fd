"""vaultctl policy: what is in force, and a cost that the machine affords."""

import os
import shutil
import tomllib
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tests.cli.commands import run
from tests.rig.vault import REPOSITORY
from vault_service.cli.main import create_app
from vault_service.cli.policy import Measure, find_cost, in_force, measure_ms
from vault_service.crypto.argon2 import check_params
from vault_service.domain.contexts import KdfParams
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.floors import KDF_FLOOR
from vault_service.domain.recovery_errors import SeparationOfDutyError
from vault_service.policy.load import load_policies
from vault_service.policy.rules import Argon2Rule
from vault_service.process import SCRUBBING

UNLIMITED_KIB = 1 << 40


def machine(ms_per_mib_pass: float, asked: list[KdfParams]) -> Measure:
    """A machine that needs so long for one pass over a MiB."""

    def measure(params: KdfParams) -> float:
        asked.append(params)
        check_params(params)
        return params.memory_kib / 1024 * params.iterations * ms_per_mib_pass

    return measure


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    shutil.copytree(REPOSITORY / "policies", folder)
    return folder


def test_every_number_in_force_is_shown_beside_its_limits(policies: Path) -> None:
    rows = {str(row["policy"]): row for row in in_force(load_policies(policies))}

    memory = rows["passwords.argon2id.memory_kib"]
    assert (memory["in_force"], memory["least"]) == (65_536, KDF_FLOOR.memory_kib)
    assert rows["limits.guesses.lock_after"]["most"] == 100
    assert rows["limits.budgets.app_calls_per_s"]["least"] == "above 0"
    assert rows["collections.contact.searchable"]["in_force"] == "full_name, phone, email"
    text = (policies / "limits.toml").read_text()
    assert all(f"limits.guesses.{name}" in rows for name in tomllib.loads(text)["guesses"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("memory_kib = 65536", "memory_kib = 1024"),
        ("iterations = 3", "iterations = 1"),
        ("lanes = 1", "lanes = 2"),
        ("min_code_points = 15", "min_code_points = 8"),
        ("iterations = 3", 'iterations = "3"'),
        ("iterations = 3", "iterationz = 3"),
    ],
)
def test_a_value_below_the_floor_is_refused_with_its_file(policies: Path, old: str, new: str) -> None:
    file = policies / "passwords.toml"
    file.write_text(file.read_text().replace(old, new))

    ran = CliRunner().invoke(create_app(), ["policy", "check", "--policies-dir", str(policies)])

    assert isinstance(ran.exception, ConfigurationError)
    assert "passwords.toml" in ran.exception.detail


def test_the_check_prints_a_table_or_json(policies: Path) -> None:
    table = CliRunner().invoke(create_app(), ["policy", "check", "--policies-dir", str(policies)])
    document = CliRunner().invoke(
        create_app(), ["policy", "check", "--policies-dir", str(policies), "--json"]
    )

    assert (table.exit_code, document.exit_code) == (0, 0)
    names = [row["policy"] for row in msgspec.json.decode(document.stdout)]
    assert len(names) > 15
    assert all(name.split(".")[0] in table.stdout for name in names)


def test_the_check_shows_who_may_do_what_by_which_rule_and_recovery_s_numbers(policies: Path) -> None:
    wide = {"COLUMNS": "200"}
    shown = CliRunner().invoke(create_app(), ["policy", "check", "--policies-dir", str(policies)], env=wide)

    (line,) = [each for each in shown.stdout.splitlines() if each.startswith("approve a disclosure")]
    assert line.split()[3:] == ["discloser", "disclosers-approve-what-shows-data-keys-to-a-ceremony"]
    assert any(
        line.split() == ["recovery.quorum.regain", "2", "2", "16"] for line in shown.stdout.splitlines()
    )
    assert any(
        line.split() == ["recovery.recovery_code.enabled", "False"] for line in shown.stdout.splitlines()
    )
    in_force = {tuple(line.split()[:2]) for line in shown.stdout.splitlines()}
    assert ("rotation.cryptoperiod_days.pepper", "365.0") in in_force


def test_the_check_names_each_rule_of_separation_that_is_missing(policies: Path) -> None:
    file = policies / "officers.cedar"
    kept, _, _ = file.read_text().partition("// --- separation of duty")
    file.write_text(kept)

    ran = CliRunner().invoke(create_app(), ["policy", "check", "--policies-dir", str(policies)])

    assert isinstance(ran.exception, SeparationOfDutyError)
    for rule in (
        "nobody-decides-what-they-opened",
        "nobody-decides-about-their-own-account",
        "auditors-only",
    ):
        assert rule in ran.exception.detail


@pytest.mark.parametrize(
    ("ms_per_mib_pass", "expected"),
    [
        (0.8, KdfParams(65_536, 4, 1)),  # 64 MiB fit thrice (154 ms), 128 MiB do not; a fourth pass does
        (0.4, KdfParams(131_072, 4, 1)),
        (4.0, KdfParams(19_456, 3, 1)),
        (50.0, KDF_FLOOR),
    ],
)
def test_memory_is_raised_before_passes(ms_per_mib_pass: float, expected: KdfParams) -> None:
    asked: list[KdfParams] = []
    found, _ = find_cost(machine(ms_per_mib_pass, asked), 250, UNLIMITED_KIB)
    assert found == expected


def test_a_small_machine_gets_more_passes_instead_of_more_memory() -> None:
    found, took = find_cost(machine(0.1, []), 250, 70_000)
    assert found == KdfParams(65_536, 39, 1)
    assert took <= 250


def test_no_cost_is_asked_for_that_the_limits_forbid() -> None:
    asked: list[KdfParams] = []
    find_cost(machine(0.000_01, asked), 250, UNLIMITED_KIB)
    assert max(params.memory_kib for params in asked) == 2_097_152


def test_the_floor_is_told_where_even_that_takes_too_long() -> None:
    assert find_cost(machine(50, []), 250, UNLIMITED_KIB)[1] > 250


@pytest.mark.slow
def test_what_calibrate_prints_can_be_pasted() -> None:
    ran = run({**os.environ, **SCRUBBING}, "policy", "calibrate", "--target-ms", "60", "--threads", "2")

    assert ran.code in {0, 1}  # 1: this machine is too slow for the target, and says so
    rule = msgspec.convert(tomllib.loads(ran.out)["argon2id"], Argon2Rule)
    check_params(rule.params())


def test_a_measurement_really_derives() -> None:
    assert measure_ms(KDF_FLOOR, threads=1, rounds=1) > 1
