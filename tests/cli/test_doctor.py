"""`vaultctl doctor`: what it finds on a host whose settings are wrong."""

import re
import shutil
from pathlib import Path

import pytest

from tests.rig.certificates import Authority
from tests.rig.vault import REPOSITORY
from vault_service.cli.doctor import examine
from vault_service.cli.doctor_audit import examine_sealing, examine_witnesses
from vault_service.kms.protocol.messages import HealthIs, LogSealing
from vault_service.settings import Api, Database, KmsClient, Settings, Tls, Witness, Worker


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


def settings(tmp_path: Path, witnesses: int, demanded: int) -> Settings:
    policies = tmp_path / "policies"
    shutil.copytree(REPOSITORY / "policies", policies)
    audit = policies / "audit.toml"
    audit.write_text(re.sub(r"(?m)^cosignatures = \d+", f"cosignatures = {demanded}", audit.read_text()))
    return Settings(
        policies_dir=policies,
        worker_keys=Worker(
            database=Database(dsn="host=/nowhere", password_file=tmp_path / "none"),
            kms=KmsClient(url="unix:/nowhere"),
            state_dir=tmp_path,
        ),
        witnesses=tuple(Witness(vkey=f"witness-{n}+00000000+AA==", url="unix:/w") for n in range(witnesses)),
    )


@pytest.mark.parametrize(
    ("witnesses", "demanded", "ok", "says"),
    [
        (0, 1, False, "1 cosignatures, and 0 can be had"),
        (1, 1, True, "warning: "),
        (2, 1, True, "warning: "),  # the outside one may be away for ever, and nobody notices
        (1, 2, False, "2 cosignatures, and 1 can be had"),
        (2, 2, True, "2 known, 2 demanded"),
    ],
)
def test_a_vault_that_nobody_outside_vouches_for_is_warned_about(
    tmp_path: Path, witnesses: int, demanded: int, ok: bool, says: str
) -> None:
    (found,) = examine_witnesses(settings(tmp_path, witnesses, demanded))

    assert found.ok == ok
    assert says in found.detail


@pytest.mark.parametrize(
    ("reported_s_ago", "ok", "says"),
    [(None, False, "since the key service started"), (61.0, False, "for 61 s"), (2.0, True, "leaf 7")],
)
def test_a_log_whose_worker_is_silent_is_not_sealed(
    reported_s_ago: float | None, ok: bool, says: str
) -> None:
    sealing = LogSealing(
        "records", sealed_size=7, unsealed=0, oldest_unsealed_s=0, reported_s_ago=reported_s_ago
    )

    (found,) = examine_sealing(HealthIs("ok", "ok", "ok", "ok", logs=(sealing,)))

    assert found.ok == ok
    assert says in found.detail


@pytest.mark.parametrize(("unsealed", "says"), [(0, "leaf 7"), (1, "1 event waits"), (2, "2 events wait")])
def test_it_says_how_many_events_wait_to_be_sealed(unsealed: int, says: str) -> None:
    sealing = LogSealing("keys", sealed_size=7, unsealed=unsealed, oldest_unsealed_s=0, reported_s_ago=1)

    (found,) = examine_sealing(HealthIs("ok", "ok", "ok", "ok", logs=(sealing,)))

    assert found.detail.endswith(says)
