"""`vaultctl serve` with settings that cannot work: two lines and exit code 3, before anything listens."""

import os
import socket
from pathlib import Path

import pytest

from tests.cli.commands import run
from tests.rig.vault import REPOSITORY, free_port
from vault_service.cli.output import EXIT_CONFIGURATION
from vault_service.dev.configure import to_toml
from vault_service.process import SCRUBBING
from vault_service.settings import Api, Database, KmsClient, Tls

pytestmark = pytest.mark.slow


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "vault_api.password"
    path.touch(0o600)
    path.write_text("a long random secret\n")
    return path


def refusal(
    folder: Path, password: Path, *, dsn: str = "host=/nowhere", policies: Path = REPOSITORY / "policies",
    tls: Tls | None = None, port: int | None = None, metrics_port: int | None = None,
) -> str:  # fmt: skip
    """What `serve api` says of these settings."""
    api = Api(
        port=port or free_port(), metrics_port=metrics_port or free_port(), tls=tls,
        database=Database(dsn=dsn, password_file=password), kms=KmsClient(url="unix:/nowhere"),
    )  # fmt: skip
    document = to_toml(
        {"policies_dir": str(policies)}, {"api": api.model_dump(mode="json", exclude_none=True)}
    )
    (folder / "vault.toml").write_text(document)
    done = run({**os.environ, **SCRUBBING, "VAULT_HOME": str(folder)}, "serve", "api")
    assert done.code == EXIT_CONFIGURATION, done.err
    lines = done.err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "remedy"], done.err
    return lines[0]


def test_a_secret_that_others_may_read(tmp_path: Path, password: Path) -> None:
    password.chmod(0o640)

    assert "can be read by others" in refusal(tmp_path, password)


def test_a_default_secret(tmp_path: Path, password: Path) -> None:
    password.write_text("changeme\n")

    assert "holds a default" in refusal(tmp_path, password)


def test_a_dsn_with_a_password(tmp_path: Path, password: Path) -> None:
    said = refusal(tmp_path, password, dsn="host=/nowhere password=hunter2")

    assert "holds a password" in said
    assert "hunter2" not in said


def test_policies_that_are_not_there(tmp_path: Path, password: Path) -> None:
    assert str(tmp_path / "none") in refusal(tmp_path, password, policies=tmp_path / "none")


def test_policies_that_cannot_be_read(tmp_path: Path, password: Path) -> None:
    (tmp_path / "policies" / "collections.toml").mkdir(parents=True)

    assert "Is a directory" in refusal(tmp_path, password, policies=tmp_path / "policies")


def test_a_certificate_that_is_not_there(tmp_path: Path, password: Path) -> None:
    assert "nowhere.pem" in refusal(
        tmp_path, password, tls=Tls(certificate=tmp_path / "nowhere.pem", key=password)
    )


@pytest.mark.parametrize("name", ["port", "metrics_port"])
def test_a_port_that_somebody_else_has(tmp_path: Path, password: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = {"port": free_port(), "metrics_port": free_port(), name: taken}

        assert f"api.{name} {taken}" in refusal(tmp_path, password, **ports)
