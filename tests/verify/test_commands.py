"""The same verifier, with a vault installed and without one; its exit codes are documented."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.rig.vault import REPOSITORY
from tests.verify.exports import Export, key_file, uuid
from vault_service.cli.main import create_app
from vault_service.verify.__main__ import main
from vault_service.verify.findings import ADVICE

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(params=["vaultctl", "module"])
def verify(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Run:
    """`vaultctl audit verify` and `python -m vault_service.verify` answer alike."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        words = [str(argument) for argument in arguments]
        if request.param == "vaultctl":
            done = CliRunner().invoke(create_app(), ["audit", "verify", *words])
            return done.exit_code, done.stdout, done.stderr
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(str(ended.code))
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


@pytest.fixture
def key(tmp_path: Path) -> Path:
    (tmp_path / "held.vkey").write_bytes(key_file())
    return tmp_path / "held.vkey"


def test_a_sound_export_exits_0_and_an_altered_one_1_with_the_findings_name(
    export: Export, key: Path, verify: Run
) -> None:
    code, out, _ = verify(export.folder, "--key", key)
    assert (code, out.splitlines()[0]) == (0, "sound")

    export.set_lines("records", export.lines("records")[1:])
    code, out, _ = verify(export.folder, "--key", key)
    assert code == 1
    assert "leaf.deleted: records log, leaf 0" in out


def test_a_checkpoint_that_was_kept_shows_what_was_cut_off(export: Export, key: Path, verify: Run) -> None:
    (key.parent / "kept").write_text(export.records.note(600))
    export.records.leaves, export.records.sizes = export.records.leaves[:400], [100, 400]
    export.records.held = []
    export.write()

    assert verify(export.folder, "--key", key)[0] == 0
    code, out, _ = verify(export.folder, "--key", key, "--checkpoint", key.parent / "kept", "--json")
    (one,) = json.loads(out)["findings"]
    assert (code, one["name"], one["where"]["index"], one["where"]["last"]) == (1, "log.truncated", 400, 599)
    assert one["do"]


def test_the_answer_says_up_to_when_who_cosigned_and_that_what_was_kept_is_in_it(
    export: Export, key: Path, verify: Run
) -> None:
    """A sound export of last month is sound for ever: its time is for the auditor to look at."""
    for name, size in (("a", 100), ("b", 599)):
        (key.parent / name).write_text(export.records.note(size))

    _, out, _ = verify(export.folder, "--key", key, "--checkpoint", key.parent / "a", "--checkpoint",
                       key.parent / "b")  # fmt: skip

    assert out.splitlines() == [
        "sound",
        "checked: keys log: 60 events, cosigned by witness, last at 2026-11-27 10:20:00 UTC",
        "checked: records log: 600 events, cosigned by witness, last at 2026-11-27 10:20:00 UTC",
        "checked: records log, checkpoints: contains 2 of the 2 that you brought",
    ]

    export.records.cosigned = False
    export.records.generations = {600: "/restored-1"}
    export.write()
    _, out, _ = verify(export.folder, "--key", key)
    said = "records log: 600 events (goes on from a restored backup: generation 2), cosigned by nobody"
    assert f"checked: {said}" in out.splitlines()


def test_a_key_file_that_is_none_is_told_from_a_broken_one(
    export: Export, tmp_path: Path, verify: Run
) -> None:
    code, _, err = verify(export.folder, "--key", export.folder / "keys/checkpoint")

    assert (code, err.splitlines()[0]) == (
        3, "error: the key file cannot be used: it is no audit.vkey, which is plain ASCII text",
    )  # fmt: skip


def test_wrong_usage_exits_2(export: Export, key: Path, verify: Run) -> None:
    assert verify(export.folder)[0] == 2
    assert verify(export.folder, "--key", key, "--cosignatures", "-1")[0] == 2


def test_more_cosignatures_can_be_demanded(export: Export, key: Path, verify: Run) -> None:
    assert verify(export.folder, "--key", key, "--cosignatures", "1")[0] == 0
    assert verify(export.folder, "--key", key, "--cosignatures", "2")[0] == 1


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_what_cannot_be_read_exits_3(
    tmp_path: Path, export: Export, key: Path, verify: Run, json_too: tuple[str]
) -> None:
    for arguments in (
        [tmp_path / "nothing", "--key", key],
        [export.folder, "--key", tmp_path / "nothing"],
        [export.folder, "--key", export.folder / "MANIFEST"],
        [export.folder, "--key", key, "--checkpoint", tmp_path / "nothing"],
    ):
        code, out, err = verify(*arguments, *json_too)
        assert (code, out) == (3, "")
        if json_too:  # as every command of vaultctl says it
            assert json.loads(err)["error"].keys() == {"code", "detail", "remedy"}
        else:
            assert [line.partition(": ")[0] for line in err.splitlines()] == ["error", "remedy"]


def test_whoever_names_a_zip_archive_or_where_it_was_unpacked_is_told_what_to_name(
    export: Export, key: Path, verify: Run
) -> None:
    archive = shutil.make_archive(str(key.parent / "export"), "zip", export.folder)

    for path in (archive, export.folder.parent):
        code, _, err = verify(path, "--key", key)
        assert code == 3
        assert "unpack a ZIP archive first, and name the folder vault-audit" in err


def test_the_auditors_page_explains_every_finding_and_exit_code() -> None:
    page = (REPOSITORY / "docs" / "audit.md").read_text("utf-8")

    assert set(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", page, re.MULTILINE)) == ADVICE.keys() | {
        "audit.vkey"
    }
    assert re.findall(r"^\| ([0-9]) \|", page, re.MULTILINE) == ["0", "1", "2", "3"]


def test_receipts_are_checked_by_both(tmp_path: Path, export: Export, key: Path) -> None:
    file = tmp_path / "receipts.json"
    bundle = {"v": 1, "log": "records", "user_id": uuid("ana"), "checkpoint": export.records.note(600),
              "unsealed": 0, "receipts": []}  # fmt: skip

    def codes(*more: str) -> tuple[int, int]:
        command = ["audit", "verify-receipts", str(file), "--key", str(key), *more]
        by_vaultctl = CliRunner().invoke(create_app(), command).exit_code
        return by_vaultctl, main([str(file), "--receipts", "--key", str(key), *more])

    file.write_text("[]")
    assert codes() == (3, 3)
    file.write_text(json.dumps(bundle))
    assert codes() == (0, 0)
    assert codes("--cosignatures", "2") == (1, 1)
    file.write_text(json.dumps(bundle | {"checkpoint": None, "unsealed": 4}))
    assert codes() == (0, 0)


def test_the_verifier_runs_where_nothing_but_cryptography_is_installed(
    export: Export, key: Path, tmp_path: Path
) -> None:
    """Copied out of the project, with every other package of ours and of others out of reach."""
    alone = tmp_path / "alone"
    (alone / "vault_service").mkdir(parents=True)
    (alone / "vault_service" / "verify").symlink_to(REPOSITORY / "vault_service" / "verify")
    program = (
        "import sys, runpy; before = set(sys.modules)\n"
        "sys.argv = ['verify', *sys.argv[1:]]\n"
        "try: runpy.run_module('vault_service.verify', run_name='__main__')\n"
        "except SystemExit as ended: code = ended.code\n"
        "roots = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print('others:', sorted(roots - set(sys.stdlib_module_names)))\n"
        "sys.exit(code)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(export.folder), "--key", str(key)],
        cwd=alone, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    others = done.stdout.splitlines()[-1]
    assert "vault_service" in others
    assert not {"msgspec", "typer", "psycopg", "flask", "rfc8785", "pydantic"} & set(
        others.replace("'", " ").split()
    )
