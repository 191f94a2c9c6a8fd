"""An older database is put back: refused at the start, and what goes on says so for ever."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from tests.audit.sealers import Rig, database_of, sealer
from tests.audit.trail import sealed, write_many
from tests.rig.people import enrol, kms_of
from tests.rig.postgres import TestDatabase
from tests.rig.vault import REPOSITORY, Vault
from vault_service.audit.checkpoint_file import CheckpointFile
from vault_service.audit.errors import OlderDatabaseError, OlderKeyServiceError, RestoreUnsealedError
from vault_service.bootstrap.connections import kms_client
from vault_service.dev.process import vaultctl
from vault_service.domain.errors import DatabaseUnavailableError, VaultError
from vault_service.domain.logs import origin
from vault_service.kms.protocol.messages import AcceptRestore, LogHead, LogHeadIs
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.roles import SIDES, Side
from vault_service.tlog.note import parse_note

pytestmark = pytest.mark.slow


class Backup:
    """Of one database, and how it is put back: the server copies files."""

    def __init__(self, database: TestDatabase) -> None:
        self._database, self._copy = database, f"{database.name}_backup"
        self._replace(self._copy, database.name)

    def restore(self) -> None:
        self._replace(self._database.name, self._copy)

    def drop(self) -> None:
        with self._database.server.admin() as conn:
            conn.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self._copy))
            )

    def _replace(self, name: str, template: str) -> None:
        with self._database.server.admin() as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [template]
            )
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
            for role in ("kms", "worker_keys") if "keys" in name else ("api", "worker_records"):
                conn.execute(
                    sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                        sql.Identifier(name), sql.Identifier(f"vault_{role}")
                    )
                )


@pytest.fixture
def backups() -> Iterator[list[Backup]]:
    made: list[Backup] = []
    yield made
    for backup in made:
        backup.drop()


def grow(vault: Vault, side: Side, count: int) -> None:
    if side == "records":
        write_many(vault.records, count)
    for _ in range(count if side == "keys" else 0):
        enrol(vault, kms_of(vault))


def accept(vault: Vault, side: Side) -> LogHeadIs:
    """As vaultctl audit accept-restore does."""
    log = sealed(database_of(vault, side))
    client = kms_client(KmsClientSettings(url=vault.socket("operator")))
    try:
        return client.call(AcceptRestore(side, log.size, log.root), LogHeadIs)
    finally:
        client.close()


def restored(vault: Vault, side: Side, backups: list[Backup]) -> str:
    """Seal, back up, seal more, put the backup back; returns the head that is gone."""
    grow(vault, side, 2)
    with sealer(vault, side) as rig:
        rig.sealer.turn()
    vault.running["kms"].kill()
    backup = Backup(database_of(vault, side))
    backups.append(backup)
    vault.start_forked_kms()
    grow(vault, side, 3)
    with sealer(vault, side) as rig:
        rig.sealer.turn()
        lost = rig.counted().note
    vault.running["kms"].kill()
    backup.restore()
    start_kms_whatever_it_finds(vault)
    return lost


def start_kms_whatever_it_finds(vault: Vault) -> None:
    """It listens, although it may refuse to serve."""
    process = vault.start_forked_kms(wait=False)

    def listens() -> bool:
        client = kms_client(KmsClientSettings(url=vault.socket("operator")))
        try:
            client.call(LogHead("keys"), LogHeadIs)
        except VaultError:
            return False
        finally:
            client.close()
        return True

    vault.wait_for(listens, process)


@pytest.mark.parametrize("side", SIDES)
def test_an_older_database_goes_on_only_in_the_open(
    fragile_vault: Vault, side: Side, backups: list[Backup], tmp_path: Path
) -> None:
    lost = restored(fragile_vault, side, backups)
    with sealer(fragile_vault, side, checked=False) as rig:
        with pytest.raises(OlderDatabaseError) as refused:
            rig.sealer.check_start()
        assert refused.value.remedy.endswith(f"vaultctl audit accept-restore --side {side}")
        with pytest.raises(OlderDatabaseError):
            rig.sealer.turn()
    (tmp_path / "empty").mkdir()
    forgetful = CheckpointFile(tmp_path / "empty")
    with (
        sealer(fragile_vault, side, checked=False, more=lambda parts: replace(parts, file=forgetful)) as rig,
        pytest.raises(OlderDatabaseError),
    ):
        rig.sealer.check_start()  # the key service remembers as well
    done = subprocess.run(
        vaultctl("serve", "worker", "--side", side), cwd=REPOSITORY, env=fragile_vault.environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert [line.split(":")[0] for line in said] == ["error", "remedy"]
    assert said[1].endswith(f"vaultctl audit accept-restore --side {side}")

    head = accept(fragile_vault, side)

    assert head.generation == 2
    with sealer(fragile_vault, side) as rig:
        for _ in range(3):
            try:
                rig.sealer.turn()
            except RestoreUnsealedError:
                continue
            break
        assert rig.head().origin == origin(head.key_name, 2)
        assert rig.head().size > head.size
    log = sealed(database_of(fragile_vault, side))
    log.assert_sound()
    events = [json.loads(leaf) for leaf in log.leaves[head.size :]]
    told = [event for event in events if event["kind"] == "log_restored"]
    assert [event["digest"] for event in told] == [hashlib.sha256(parse_note(lost).text.encode()).hexdigest()]


@pytest.mark.parametrize("is_away", [False, True], ids=["key service there", "key service away"])
def test_a_worker_lets_an_older_database_that_it_is_given_meanwhile_not_grow(
    fragile_vault: Vault, backups: list[Backup], is_away: bool
) -> None:
    """Whoever accepts a restore must read a size that stays; and no receiver gets another past's events."""
    grow(fragile_vault, "records", 2)
    with sealer(fragile_vault, "records") as rig:
        rig.sealer.turn()
        backup = Backup(fragile_vault.records)
        backups.append(backup)
        grow(fragile_vault, "records", 3)
        assert wait_until_sealed(rig) == 5
        backup.restore()
        grow(fragile_vault, "records", 4)
        if is_away:
            fragile_vault.running["kms"].kill()

        for _ in range(3):
            with pytest.raises(OlderDatabaseError):
                turn(rig)

        assert sealed(fragile_vault.records).size == 2
        if is_away:
            fragile_vault.start_forked_kms()
        begun = accept(fragile_vault, "records")
        with pytest.raises(RestoreUnsealedError):
            turn(rig)
        turn(rig)
        assert (rig.head().origin, rig.head().size) == (origin(begun.key_name, 2), 2 + 4 + 1)


def turn(rig: Rig) -> None:
    """One; a connection that went with the database that was replaced is nobody's news."""
    try:
        rig.sealer.turn()
    except DatabaseUnavailableError:
        rig.sealer.turn()


def wait_until_sealed(rig: Rig) -> int:
    turn(rig)
    return rig.head().size


def test_a_key_service_that_was_put_back_is_noticed(fragile_vault: Vault, backups: list[Backup]) -> None:
    """Its memory of heads is in its state folder and in its database: here both are older."""
    state = fragile_vault.home / "state" / "kms"
    fragile_vault.running["kms"].kill()
    old = {path: path.read_bytes() for path in state.iterdir() if path.is_file()}
    backup = Backup(fragile_vault.keys)
    backups.append(backup)
    fragile_vault.start_forked_kms()
    restored(fragile_vault, "records", backups)
    accept(fragile_vault, "records")
    with sealer(fragile_vault, "records") as rig:
        with pytest.raises(RestoreUnsealedError):
            rig.sealer.turn()
        rig.sealer.turn()
    fragile_vault.running["kms"].kill()
    backup.restore()
    for path in state.iterdir():
        if path.is_file():
            path.write_bytes(old[path]) if path in old else path.unlink()
    start_kms_whatever_it_finds(fragile_vault)

    with sealer(fragile_vault, "records", checked=False) as rig, pytest.raises(OlderKeyServiceError):
        rig.sealer.check_start()


def test_the_restore_is_told_once_although_workers_die_and_race(
    fragile_vault: Vault, backups: list[Backup]
) -> None:
    restored(fragile_vault, "records", backups)
    head = accept(fragile_vault, "records")
    with sealer(fragile_vault, "records") as one, sealer(fragile_vault, "records") as other:
        for rig in (one, other):
            with pytest.raises(RestoreUnsealedError):
                rig.sealer._explain_restore(head)
        for rig in (one, other):
            rig.sealer.turn()

    told = [json.loads(leaf) for leaf in sealed(fragile_vault.records).leaves]
    assert [event["kind"] for event in told].count("log_restored") == 1
