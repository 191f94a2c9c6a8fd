"""Settings: a file overridden by the environment, secrets by path only, and errors that name the field."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.certificates import Authority
from tests.rig.vault import Vault, free_port
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import ConfigurationError
from vault_service.settings import KmsClient, Tls, load_settings, read_secret


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_text("a long random secret\n")
    return path


def test_a_secret_is_read_from_a_file_that_only_its_owner_may_read(secret: Path) -> None:
    assert read_secret(secret) == "a long random secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_a_secret_that_others_may_read_or_write_stops_the_process(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    with pytest.raises(ConfigurationError) as refused:
        read_secret(secret)
    assert "chmod 0600" in refused.value.remedy
    assert "random" not in refused.value.detail


def test_a_tls_key_that_others_may_read_stops_the_process(tmp_path: Path) -> None:
    shown = Authority(tmp_path).issue("api-1")
    settings = KmsClient(
        url="https://127.0.0.1:1",
        tls=Tls(certificate=shown.certificate, key=shown.key, ca=tmp_path / "authority.pem"),
    )
    kms_client(settings).close()

    shown.key.chmod(0o644)

    with pytest.raises(ConfigurationError, match="can be read by others"):
        kms_client(settings)


@pytest.mark.parametrize("service", ["api", "kms"])
def test_a_service_does_not_start_with_a_tls_key_that_others_may_read(
    vault: Vault, tmp_path: Path, service: str
) -> None:
    shown = Authority(tmp_path).issue("vault.test")
    shown.key.chmod(0o640)
    section = f"VAULT_{service.upper()}__"
    refused = serve(
        vault, service,
        {
            f"{section}TLS__CERTIFICATE": str(shown.certificate), f"{section}TLS__KEY": str(shown.key),
            f"{section}TLS__CA": str(tmp_path / "authority.pem"),
            "VAULT_KMS__LISTENERS": json.dumps([{"host": "127.0.0.1", "port": free_port()}]),
        },
    )  # fmt: skip

    assert refused.returncode == 3
    assert "can be read by others" in refused.stderr


def test_the_api_does_not_start_in_clear_text_where_others_could_listen(vault: Vault) -> None:
    refused = serve(vault, "api", {"VAULT_API__HOST": "0.0.0.0"})

    assert refused.returncode == 3
    assert "clear text on 0.0.0.0" in refused.stderr


def serve(vault: Vault, service: str, overrides: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Start one more service of this vault, which is expected to refuse."""
    ports = {"VAULT_API__PORT": str(free_port()), "VAULT_API__METRICS_PORT": str(free_port())}
    return subprocess.run(
        [sys.executable, "-m", "vault_service.cli", "serve", service],
        env={**vault.environment, **ports, **overrides}, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("default", ["", "\n", "changeme", "Password", "postgres", "1234"])
def test_a_default_secret_stops_the_process(secret: Path, default: str) -> None:
    secret.write_text(default)
    with pytest.raises(ConfigurationError, match="default"):
        read_secret(secret)


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no-such-file"):
        read_secret(tmp_path / "no-such-file")


def use(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv("VAULT_SETTINGS", str(file))


def test_the_environment_goes_before_the_file(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, vault.settings_file)
    monkeypatch.setenv("VAULT_API__PORT", "18443")

    settings = load_settings()

    assert settings.api is not None
    assert settings.api.port == 18443
    assert settings.api.database.dsn == vault.records.dsn("vault_api")


def test_a_file_that_is_not_there_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path / "vault.toml")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert str(tmp_path / "vault.toml") in refused.value.detail
    assert "make run" in refused.value.remedy


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[api]\nport = 1\n", "api.metrics_port"),
        ('policies_dir = "p"\nmanifest_fingerprint = "abc"\n', "manifest_fingerprint"),
        ('policies_dir = "p"\nescrow_pin = "1234"\n', "escrow_pin"),
        ('policies_dir = "p"\n[kms]\nlisteners = []\nstate_dir = "s"\nthreads = 100000\n', "kms.threads"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, named: str
) -> None:
    file = tmp_path / "vault.toml"
    file.write_text(text)
    use(monkeypatch, file)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert named in refused.value.detail


def test_a_file_that_is_no_toml_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "vault.toml"
    file.write_text("[api\n")
    use(monkeypatch, file)
    with pytest.raises(ConfigurationError, match=r"vault\.toml"):
        load_settings()


def test_a_secret_that_is_no_text_is_refused_in_words(secret: Path) -> None:
    secret.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigurationError, match="no text") as refused:
        read_secret(secret)
    assert str(secret) in refused.value.detail
