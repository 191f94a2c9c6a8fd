"""vaultctl export: one person's data, whole or not at all."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import vaultctl
from tests.rig.vault import PASSWORD, Vault
from vault_service.cli.export_people import read_password, write_whole
from vault_service.cli.output import EXIT_USAGE
from vault_service.client import Create, IncompleteExportError, VaultClient
from vault_service.dev.process import vaultctl as program
from vault_service.domain.errors import ConfigurationError


def private(path: Path, content: str) -> Path:
    path.touch(0o600)
    path.write_text(content)
    return path


@pytest.mark.slow
def test_everything_of_one_person_is_in_the_file(served: Vault, key_file: Path, tmp_path: Path) -> None:
    login = "export@example.org"
    with VaultClient(served.api_url, app_key=served.app_key) as client:
        client.sign_up(login, PASSWORD)
        with client.sign_in(login, PASSWORD) as session:
            session.records.batch([Create("note", {"n": n, "text": "Ω\u2028"}) for n in range(150)])
    out = tmp_path / "out.jsonl"
    command = (
        "export", out, "--app-key-file", key_file, "--login", login,
        "--password-file", private(tmp_path / "pw", PASSWORD + "\n"), "--json",
    )  # fmt: skip

    done = vaultctl(served, *command)

    assert done.json == {"file": str(out), "records": 150}
    assert out.stat().st_mode & 0o777 == 0o600
    *records, end = [json.loads(line) for line in out.read_bytes().split(b"\n")[:-1]]
    assert [record["fields"] for record in records] == [{"n": n, "text": "Ω\u2028"} for n in range(150)]
    assert end == {"records": 150, "end": True}
    assert vaultctl(served, *command).code == 3  # never over a file that is there


@pytest.mark.slow
def test_a_wrong_password_leaves_no_file(served: Vault, key_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    wrong = private(tmp_path / "pw", "not the password at all")

    refused = vaultctl(
        served, "export", out, "--app-key-file", key_file, "--login", "nobody@example.org",
        "--password-file", wrong,
    )  # fmt: skip

    assert refused.code == 5
    assert "not the password" not in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.key", "pw"]


def test_a_stream_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    def lines() -> Iterator[bytes]:
        yield b'{"record_id": 1}'
        raise IncompleteExportError(1, "the connection broke")

    with pytest.raises(IncompleteExportError):
        write_whole(tmp_path / "out.jsonl", lines())

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    out = private(tmp_path / "out.jsonl", "older")
    with pytest.raises(ConfigurationError, match="exists"):
        write_whole(out, iter([b"{}"]))
    assert out.read_text() == "older"
    assert list(tmp_path.iterdir()) == [out]


def test_a_password_file_is_private_and_its_spaces_count(tmp_path: Path) -> None:
    path = private(tmp_path / "pw", "  spaces around \r\n")
    assert read_password(path) == "  spaces around "
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="read by others"):
        read_password(path)


def test_a_password_is_asked_for_on_a_terminal_only(tmp_path: Path) -> None:
    """In a script nobody answers, and what is typed into a pipe would be echoed."""
    done = subprocess.run(
        program(
            "export", str(tmp_path / "out"), "--login", "ana@example.org",
            "--app-key-file", str(private(tmp_path / "key", "vsa_x")),
        ),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == EXIT_USAGE
    assert done.stderr.startswith("error: --password-file:")
