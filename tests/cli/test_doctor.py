"""`vaultctl doctor`: what it finds on a host whose settings are wrong."""

from pathlib import Path

from tests.rig.certificates import Authority
from tests.rig.vault import REPOSITORY
from vault_service.cli.doctor import examine
from vault_service.settings import Api, Database, KmsClient, Settings, Tls


def test_a_tls_key_that_others_may_read_is_found_before_the_service_refuses_it(tmp_path: Path) -> None:
    shown = Authority(tmp_path).issue("api-1")
    settings = Settings(
        policies_dir=REPOSITORY / "policies",
        api=Api(
            metrics_port=1,
            tls=Tls(certificate=tmp_path / "nowhere.pem", key=shown.key),
            database=Database(dsn="host=/nowhere", password_file=tmp_path / "none"),
            kms=KmsClient(url="unix:/nowhere"),
        ),
    )
    shown.key.chmod(0o640)

    found = {each.check: each for each in examine(settings)}

    assert not found["api: TLS key"].ok
    assert "chmod 0600" in found["api: TLS key"].remedy
    assert not found["api: certificate"].ok
