"""What a dsn may say: no secret, and no server across a network that could be somebody else's."""

from pathlib import Path

import pytest

from vault_service.domain.errors import ConfigurationError
from vault_service.storage.dsn import read_dsn
from vault_service.storage.migrate import migrate
from vault_service.storage.pool import open_database
from vault_service.storage.roles import create_server_roles

OPEN = "host=db.internal dbname=vault_keys"


@pytest.mark.parametrize(
    ("dsn", "allowed"),
    [
        ("host=/run/vault dbname=vault_keys", True),
        ("host=127.0.0.1 dbname=vault_keys", True),
        ("dbname=vault_keys", True),
        ("host=db.internal dbname=vault_keys sslmode=verify-full", True),
        (OPEN, False),
        ("host=db.internal dbname=vault_keys sslmode=require", False),
        ("host=db.internal dbname=vault_keys sslmode=verify-ca", False),
        ("service=anywhere", False),
        ("host=/run/vault,db.internal dbname=vault_keys", False),
        ("hostaddr=10.0.0.7 dbname=vault_keys", False),
        ("host=localhost hostaddr=10.0.0.7 dbname=vault_keys", False),
        ("host=db.internal hostaddr=10.0.0.7 sslmode=verify-full", True),
        ("postgresql://db.internal/vault_keys", False),
    ],
)
def test_a_database_across_a_network_needs_a_verified_certificate(dsn: str, *, allowed: bool) -> None:
    """`sslmode=require` encrypts to whoever answers: the man in the middle too."""
    if allowed:
        open_database(dsn, "secret", size=1, name="keys").close()
    else:
        with pytest.raises(ConfigurationError, match="verified certificate"):
            open_database(dsn, "secret", size=1, name="keys")


def test_what_the_environment_adds_to_a_dsn_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.internal")
    with pytest.raises(ConfigurationError, match=r"db\.internal"):
        read_dsn("dbname=vault_keys", "keys")

    monkeypatch.setenv("PGSSLMODE", "verify-full")
    read_dsn("dbname=vault_keys", "keys")


def test_whoever_sets_up_a_server_across_a_network_verifies_it_too(tmp_path: Path) -> None:
    """Else whoever is in between takes the administrator's session, or gives out a schema of his own."""
    with pytest.raises(ConfigurationError, match="verified certificate"):
        create_server_roles(f"{OPEN} user=admin password=hunter2", "keys", tmp_path / "passwords")
    with pytest.raises(ConfigurationError, match="verified certificate"):
        migrate(OPEN, "secret", "keys")


@pytest.mark.parametrize("dsn", ["dbname=vault_keys password=hunter2", "postgresql://u:hunter2@localhost/x"])
def test_a_password_in_a_dsn_stops_the_process_and_is_not_shown(dsn: str) -> None:
    """Settings are readable by every service of the host, and stand in environments."""
    with pytest.raises(ConfigurationError, match="holds a password") as refused:
        open_database(dsn, "secret", size=1, name="keys")
    assert "hunter2" not in refused.value.detail + refused.value.remedy


def test_a_dsn_that_cannot_be_read_is_an_error_of_the_settings_and_is_not_quoted() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read") as refused:
        open_database("password='hunter2", "secret", size=1, name="keys")
    assert "hunter2" not in refused.value.detail
