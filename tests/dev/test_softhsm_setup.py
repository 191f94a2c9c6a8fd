"""scripts/softhsm_setup.sh leaves two tokens as an HSM is delivered, and does nothing twice."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "scripts" / "softhsm_setup.sh"


def prepare(tokens: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, tokens], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], **environment},
    )  # fmt: skip


def pkcs11(tokens: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    module = (tokens / "pkcs11-module").read_text().strip()
    return subprocess.run(
        ["pkcs11-tool", "--module", module, *arguments],
        capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"SOFTHSM2_CONF": str(tokens / name / "softhsm2.conf")} | environment,
    )  # fmt: skip


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    folder = tmp_path / "tokens"
    done = prepare(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["online", "escrow"])
def test_each_token_has_its_label_in_a_folder_of_its_own(tokens: Path, name: str) -> None:
    listed = pkcs11(tokens, name, "--list-token-slots").stdout

    assert listed.count("token label") == 1
    assert f"vault-{name}" in listed
    assert "token initialized" in listed


@pytest.mark.parametrize("name", ["online", "escrow"])
def test_no_user_pin_is_set(tokens: Path, name: str) -> None:
    """`vaultctl init` sets it in its own process, and of the escrow token's no file ever knows."""
    assert "PIN initialized" not in pkcs11(tokens, name, "--list-token-slots").stdout


@pytest.mark.parametrize("name", ["online", "escrow"])
def test_the_transport_pin_in_the_file_is_the_security_officers(tokens: Path, name: str) -> None:
    pin = (tokens / name / "transport-so-pin").read_text().strip()

    set_pin = pkcs11(
        tokens, name, "--login", "--login-type", "so", "--so-pin", "env:SO", "--init-pin",
        "--new-pin", "env:NEW", SO=pin, NEW="a user pin of this test",
    )  # fmt: skip

    assert set_pin.returncode == 0, set_pin.stderr


def test_the_two_transport_pins_differ_and_are_long(tokens: Path) -> None:
    pins = {(tokens / name / "transport-so-pin").read_text().strip() for name in ("online", "escrow")}

    assert len(pins) == 2
    assert all(len(pin) == 32 for pin in pins)  # 160 bits in base32


def test_only_the_owner_can_enter_a_token_or_read_anything_in_it(tokens: Path) -> None:
    entries = [
        tokens / "online",
        tokens / "escrow",
        *(tokens / "online").rglob("*"),
        *(tokens / "escrow").rglob("*"),
    ]

    assert not [str(entry) for entry in entries if stat.S_IMODE(entry.stat().st_mode) & 0o077]


def test_a_second_run_changes_neither_token_nor_pin(tokens: Path) -> None:
    kept = ("objects/*/token.object", "transport-so-pin")
    before = {file: file.read_bytes() for pattern in kept for file in tokens.glob(f"*/{pattern}")}

    again = prepare(tokens)

    assert again.stdout.split("\n")[:2] == ["vault-online: there already", "vault-escrow: there already"]
    assert len(before) == 4
    assert {file: file.read_bytes() for file in before} == before


def test_a_token_that_was_taken_over_gets_no_new_transport_pin(tokens: Path) -> None:
    (tokens / "online" / "transport-so-pin").unlink()

    prepare(tokens)

    assert not (tokens / "online" / "transport-so-pin").exists()


def test_a_token_whose_file_was_emptied_by_a_kill_gets_no_second_one_beside_it(tokens: Path) -> None:
    """SoftHSM truncates the file at a login before it writes it; the service restores it from a copy."""
    (torn,) = tokens.glob("online/objects/*/token.object")
    torn.write_bytes(b"")

    again = prepare(tokens)

    assert "vault-online: there already" in again.stdout
    assert list(tokens.glob("online/objects/*/token.object")) == [torn]


def test_a_token_that_was_taken_over_is_never_made_anew_even_if_its_mark_is_lost(tokens: Path) -> None:
    """Everything that was ever stored hangs on it; a backup may have left out an empty file."""
    for name in ("initialised", "transport-so-pin"):
        (tokens / "online" / name).unlink()
    before = sorted(tokens.glob("online/objects/*/*"))

    again = prepare(tokens)

    assert "vault-online: there already" in again.stdout
    assert sorted(tokens.glob("online/objects/*/*")) == before


def test_an_initialisation_that_was_killed_midway_is_begun_again(tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    half_made = folder / "online" / "objects" / "half-made"
    half_made.mkdir(parents=True)
    (half_made / "token.object").touch()
    (folder / "online" / "transport-so-pin").write_text("PIN-OF-AN-INTERRUPTED-RUN\n")

    prepare(folder)

    assert not half_made.exists()
    assert "vault-online" in pkcs11(folder, "online", "--list-token-slots").stdout


def test_tokens_that_were_moved_with_their_home_are_found_and_not_made_anew(tokens: Path) -> None:
    """A configuration with the old path would make an empty token beside the real one."""
    moved = tokens.rename(tokens.with_name("moved"))

    again = prepare(moved)

    assert "there already" in again.stdout
    assert len(list(moved.glob("online/objects/*"))) == 1


def test_an_interrupted_run_is_finished_with_the_pin_that_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    (folder / "online").mkdir(parents=True)
    (folder / "online" / "transport-so-pin").write_text("PIN-OF-AN-INTERRUPTED-RUN\n")

    prepare(folder)

    assert (folder / "online" / "transport-so-pin").read_text() == "PIN-OF-AN-INTERRUPTED-RUN\n"
    assert "vault-online" in pkcs11(folder, "online", "--list-token-slots").stdout


def test_no_pin_is_ever_on_a_command_line(tmp_path: Path) -> None:
    """Every user of the machine can read a command line. The real tool runs, behind one that takes notes."""
    real = shutil.which("pkcs11-tool")
    programs, notes = tmp_path / "programs", tmp_path / "notes"
    programs.mkdir()
    noting = programs / "pkcs11-tool"
    noting.write_text(f'#!/bin/sh\necho "$@" >> {notes}\nexec {real} "$@"\n')
    noting.chmod(0o755)

    done = prepare(tmp_path / "tokens", PATH=f"{programs}:{os.environ['PATH']}")

    said = notes.read_text()
    assert done.returncode == 0
    assert said.count("--so-pin env:TRANSPORT_SO_PIN") == 2
    for pin_file in (tmp_path / "tokens").glob("*/transport-so-pin"):
        assert pin_file.read_text().strip() not in said


def test_a_missing_tool_is_named_with_its_remedy(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "mkdir", "env"):
        (programs / name).symlink_to(shutil.which(name) or "")

    done = prepare(tmp_path / "tokens", PATH=str(programs))

    assert done.returncode == 3
    assert "error: pkcs11-tool is not installed" in done.stderr
    assert "remedy: install opensc" in done.stderr
