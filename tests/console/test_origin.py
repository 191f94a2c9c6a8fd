"""An origin at which no passkey could be made, or that nobody answers, is refused before anything listens."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.rig.vault import REPOSITORY, free_port
from vault_service.bootstrap.console import check_origin
from vault_service.cli.output import EXIT_CONFIGURATION
from vault_service.dev.configure import to_toml
from vault_service.dev.process import vaultctl
from vault_service.domain.errors import ConfigurationError
from vault_service.settings import Console, Database, KmsClient, Tls
from vault_service.web.listening import refuse_clear_text

TLS = Tls(certificate=Path("console.pem"), key=Path("console.key"))


def section(origin: str, **other: Any) -> Console:
    return Console(
        origin=origin, database=Database(dsn="host=/nowhere", password_file=Path("none")),
        kms=KmsClient(url="unix:/nowhere"), state_dir=Path(), **other,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "other"),
    [
        ("http://localhost:8471", {}),
        ("http://console.localhost:8471", {}),
        ("https://console.example.org", {"tls": TLS}),
        ("https://console.example.org", {"tls_terminated_by_proxy": True}),
    ],
)
def test_an_origin_that_browsers_give_passkeys_to(origin: str, other: dict[str, Any]) -> None:
    check_origin(section(origin, **other))


@pytest.mark.parametrize(
    ("origin", "other", "why"),
    [
        ("http://127.0.0.1:8471", {}, "IP address"),
        ("https://10.1.2.3", {"tls": TLS}, "IP address"),
        ("http://127.1:8471", {}, "IP address"),  # browsers take it for 127.0.0.1
        ("http://2130706433", {}, "IP address"),
        ("http://console.example.org", {}, "https only"),
        ("http://console.example.org", {"tls_terminated_by_proxy": True}, "https only"),
        ("http://localhost.example.org", {}, "https only"),
        ("https://console.example.org", {}, "nobody speaks TLS"),
        ("http://localhost:8471", {"tls": TLS}, "console.tls is set"),
        ("https://console.example.org:443", {"tls": TLS}, "browsers send https://console.example.org,"),
        ("http://localhost:80", {}, "browsers send http://localhost,"),
        ("http://localhost:08471", {}, "browsers send http://localhost:8471,"),
    ],
)
def test_an_origin_that_would_be_of_no_use(origin: str, other: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        check_origin(section(origin, **other))


def test_clear_text_is_spoken_on_loopback_only() -> None:
    """A session cookie on a network is everybody's."""
    with pytest.raises(ConfigurationError, match="console would listen in clear text on 0"):
        refuse_clear_text(section("http://localhost:8471", host="0.0.0.0"), "console")


@pytest.mark.slow
def test_serve_console_says_so_and_ends(tmp_path: Path) -> None:
    console = section("http://127.0.0.1:8471", port=free_port()).model_dump(mode="json", exclude_none=True)
    document = to_toml({"policies_dir": str(REPOSITORY / "policies")}, {"console": console})
    (tmp_path / "vault.toml").write_text(document)

    done = subprocess.run(
        vaultctl("serve", "console"), capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "VAULT_HOME": str(tmp_path)},
    )  # fmt: skip

    assert done.returncode == EXIT_CONFIGURATION
    assert "passkeys are not made for an IP address" in done.stderr
    assert "remedy: Give the host a name" in done.stderr
