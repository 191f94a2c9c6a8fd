"""`vaultctl doctor`: each thing that is wrong is named as it is, with what to do about it."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.rig.certificates import Authority
from tests.rig.postgres import TestDatabase
from tests.rig.vault import REPOSITORY, Vault, settings_of
from vault_service.cli import doctor
from vault_service.cli.doctor_database import examine_database
from vault_service.cli.finding import Finding
from vault_service.settings import Api, Database, KmsClient, Settings


def looked_at(name: str, keys: TestDatabase, role: str, dsn: str = "") -> dict[str, Finding]:
    settings = Database(dsn=dsn or keys.dsn(role), password_file=keys.password_file(role))
    return {each.check: each for each in examine_database(name, settings)}


def test_a_database_that_is_as_it_should_be(keys_db: TestDatabase) -> None:
    found = looked_at("kms", keys_db, "vault_kms")

    assert {check for check, each in found.items() if each.ok} == {"kms: database", "kms: role", "kms: clock"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("dbname=nowhere user=vault_kms", 'database "nowhere" does not exist'),
        ("dbname=postgres user=vault_kms", 'permission denied for database "postgres"'),
        ("user=vault_recovery", 'password authentication failed for user "vault_recovery"'),
        ("host=/nowhere user=vault_kms", "No such file or directory"),
        ("host=db.example user=vault_kms", "without a verified certificate"),
    ],
)
def test_why_a_database_cannot_be_reached_is_said(keys_db: TestDatabase, wrong: str, says: str) -> None:
    dsn = f"host={keys_db.server.cluster.sockets} dbname={keys_db.name} {wrong}"

    (found,) = looked_at("kms", keys_db, "vault_kms", dsn).values()

    assert not found.ok
    assert says in found.detail
    assert found.remedy
    assert keys_db.password("vault_kms") not in str(found)


def test_the_role_of_another_process_is_found(keys_db: TestDatabase) -> None:
    found = looked_at("kms", keys_db, "vault_worker_keys")["kms: role"]

    assert (found.ok, found.detail) == (False, "vault_worker_keys is another process's")
    assert "Use vault_kms" in found.remedy


def test_a_schema_that_is_too_old_is_to_be_migrated(keys_db: TestDatabase) -> None:
    with keys_db.superuser() as conn:
        conn.execute("DELETE FROM schema_migrations WHERE number > 6")

    (found,) = looked_at("kms", keys_db, "vault_kms").values()

    assert "ends at migration 0006" in found.detail
    assert found.remedy.startswith("run vaultctl migrate")


def api(database: Database, host: str = "127.0.0.1") -> Api:
    return Api(host=host, metrics_port=1, database=database, kms=KmsClient(url="unix:/nowhere"))


def test_clear_text_on_a_network_is_found_before_the_service_refuses_it(tmp_path: Path) -> None:
    nowhere = Database(dsn="host=/nowhere", password_file=tmp_path / "none")
    settings = Settings(policies_dir=REPOSITORY / "policies", api=api(nowhere, "0.0.0.0"))

    found = {each.check: each for each in doctor.examine(settings)}["api: listens"]

    assert not found.ok
    assert "api.tls" in found.remedy


@pytest.mark.parametrize(
    ("days_left", "ok", "says"), [(-1, False, "ended at"), (13, True, "warning: "), (40, True, "until 20")]
)
def test_a_certificate_is_renewed_in_time(tmp_path: Path, days_left: int, ok: bool, says: str) -> None:
    file = Authority(tmp_path).issue("api-1").certificate
    ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc

    found = doctor.examine_certificate("api: certificate", file, ends - timedelta(days=days_left))

    assert found.ok == ok
    assert says in found.detail


def test_an_online_token_that_is_not_there_is_found_without_a_try_of_its_pin(vault: Vault) -> None:
    kms = settings_of(vault).kms
    assert kms is not None
    token = kms.token

    (right,) = doctor.examine_token(token)
    (wrong,) = doctor.examine_token(token.model_copy(update={"label": "another"}))

    assert right.ok
    assert "NoSuchToken" in wrong.detail
    assert "label" in wrong.remedy
