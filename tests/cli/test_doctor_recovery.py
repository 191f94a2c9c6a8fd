"""`vaultctl doctor` says when a drill is overdue, and when nobody would hear of a case."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.crypto.test_manifest_chain import GENESIS, sign
from tests.rig.postgres import TestDatabase
from tests.rig.vault import REPOSITORY
from vault_service.cli.doctor_recovery import examine_recovery
from vault_service.cli.finding import Finding
from vault_service.domain.manifest import manifest_hash
from vault_service.settings import Database, KmsClient, Notice, Recovery, Settings, Worker
from vault_service.storage.keys.manifests import insert_manifest


def found(settings: Settings) -> dict[str, Finding]:
    return {each.check: each for each in examine_recovery(settings)}


def officers_host(keys: TestDatabase, tmp_path: Path) -> Settings:
    role = "vault_recovery"
    return Settings(
        policies_dir=REPOSITORY / "policies",
        recovery=Recovery(
            database=Database(dsn=keys.dsn(role), password_file=keys.password_file(role)),
            kms=KmsClient(url="unix:/nowhere"),
            state_dir=tmp_path,
        ),
    )


@pytest.mark.parametrize(
    ("made_days_ago", "says"),
    [
        (1, "none was held yet; the first is due by 2"),
        (91, "warning: overdue since 2"),
    ],
)
def test_a_vault_in_which_no_drill_was_ever_held_is_warned_about_in_time(
    keys_db: TestDatabase, tmp_path: Path, made_days_ago: int, says: str
) -> None:
    with keys_db.superuser() as conn:
        conn.execute(
            """INSERT INTO manifests VALUES (1, '', decode(repeat('00', 64), 'hex'), '',
                                             now() - %(days)s * interval '1 day')""",
            {"days": made_days_ago},
        )

    finding = found(officers_host(keys_db, tmp_path))["recovery drill"]

    assert finding.ok
    assert finding.detail.startswith(says)


def test_a_quorum_in_the_file_below_what_the_officers_signed_is_found(
    keys_db: TestDatabase, tmp_path: Path
) -> None:
    """Its reader would believe that two suffice for a disclosure, and three are demanded."""
    link = sign(GENESIS)
    with keys_db.superuser() as conn:
        assert insert_manifest(conn, 1, link, datetime.now(UTC))
    pinned = {"manifest_fingerprint": manifest_hash(link.body).hex()}
    settings = officers_host(keys_db, tmp_path).model_copy(update=pinned)

    finding = found(settings)["recovery quorums"]

    assert not finding.ok
    assert "quorum.disclosure 2, and the manifest demands 3" in finding.detail
    assert "quorum.regain" not in finding.detail
    forged = settings.model_copy(update={"manifest_fingerprint": "ab" * 32})
    assert not found(forged)["recovery quorums"].ok


def worker_host(tmp_path: Path, *notices: Notice) -> Settings:
    return Settings(
        policies_dir=REPOSITORY / "policies",
        worker_keys=Worker(
            database=Database(dsn="host=/nowhere", password_file=tmp_path / "none"),
            kms=KmsClient(url="unix:/nowhere"),
            state_dir=tmp_path,
            notices=notices,
        ),
    )


def test_a_vault_that_tells_its_officers_nothing_is_warned_about(tmp_path: Path) -> None:
    assert found(worker_host(tmp_path))["recovery notices"].detail.startswith("warning: nobody tells")


@pytest.mark.parametrize(
    ("url", "key", "ok"),
    [
        ("https://officers.example.org/hook", "long enough to be no guess at all", True),
        ("http://officers.example.org/hook", "long enough to be no guess at all", False),
        ("https://officers.example.org/hook", "short", False),
        ("https://127.0.0.1/hook", "long enough to be no guess at all", False),  # the inside of the network
    ],
)
def test_a_receiver_that_could_not_be_used_is_found_beforehand(
    tmp_path: Path, url: str, key: str, ok: bool
) -> None:
    file = tmp_path / "hmac.key"
    file.write_text(key)
    file.chmod(0o600)

    finding = found(worker_host(tmp_path, Notice(url=url, hmac_key_file=file)))["recovery notices"]

    assert (finding.ok, bool(finding.remedy)) == (ok, not ok)
