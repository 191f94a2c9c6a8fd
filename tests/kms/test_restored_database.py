"""An older keys database is refused with the exact remedy, and accepting it stays visible for ever."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from tests.kms import chains
from tests.kms.logs import Log, as_caller, ask, last_head, said_by, sign
from tests.rig.people import enrol, kms_of
from tests.rig.postgres import TestDatabase, TestServer
from tests.rig.vault import PASSWORD, Vault, vault_of_its_own
from vault_service.domain.audit_errors import (
    CheckpointRefusedError,
    HeadsDisagreeError,
    LogRestoredError,
    RestoreRefusedError,
)
from vault_service.domain.errors import CallerRefusedError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import new_uuid
from vault_service.kms.protocol.messages import (
    ANSWERS,
    AcceptRestore,
    ChangePassword,
    CreateApp,
    Done,
    Enrol,
    Epoch,
    EpochIs,
    Health,
    HealthIs,
    LogHeadIs,
    ReportSealed,
    Request,
    Unlock,
)
from vault_service.storage.roles import LAYOUTS, grant_connect
from vault_service.tlog.merkle import EMPTY_ROOT


def copied(database: TestDatabase, *, to: str, source: str) -> None:
    """A backup and its restoring: one database made of another, whole."""
    with database.server.admin() as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(to)))
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (source,))
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                sql.Identifier(to), sql.Identifier(source), sql.Identifier(LAYOUTS[database.side].owner)
            )
        )
        grant_connect(conn, to, LAYOUTS[database.side])


@pytest.fixture(scope="module")
def saved(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault with two copies of its keys database: of 20 leaves, and of the 30 that it has now."""
    with vault_of_its_own(scratch, postgres) as vault:
        log = Log().grow_to(20)
        sign(vault, log, 0)
        copied(vault.keys, to=f"{vault.keys.name}_older", source=vault.keys.name)
        sign(vault, log.grow_to(30), 20)
        copied(vault.keys, to=f"{vault.keys.name}_newest", source=vault.keys.name)
        yield vault
        with vault.keys.server.admin() as conn:
            for which in ("older", "newest"):
                name = sql.Identifier(f"{vault.keys.name}_{which}")
                conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


@pytest.fixture
def backed_up(saved: Vault) -> Iterator[Vault]:
    """The newest database, and what the key service remembers with it, are put back afterwards."""
    file = saved.home / "state" / "kms" / "signed-heads"
    remembered = file.read_bytes()
    yield saved
    file.write_bytes(remembered)
    restore(saved, "newest")
    saved.wait_for(saved.kms_is_healthy, saved.running["kms"])


def restore(vault: Vault, which: str = "older") -> None:
    """Put a copy in the database's place, with the key service running: as a failover does as well."""
    copied(vault.keys, to=vault.keys.name, source=f"{vault.keys.name}_{which}")


def health(vault: Vault) -> HealthIs:
    return as_caller(vault, "operator").call(Health(), HealthIs)


ACCEPTED = AcceptRestore("keys", 20, Log().grow_to(20).root())


def accept(vault: Vault, request: AcceptRestore = ACCEPTED) -> LogHeadIs:
    vault.wait_for(lambda: health(vault).database == "ok", vault.running["kms"])
    return as_caller(vault, "operator").call(request, LogHeadIs)


def events(vault: Vault, kind: KeysEvent) -> list[bytes]:
    with vault.keys.superuser() as conn:
        rows = conn.execute("SELECT digest FROM audit_events WHERE kind = %s", (int(kind),)).fetchall()
    return [bytes(row[0]) for row in rows]  # type: ignore[call-overload]  # bytea


def requests(vault: Vault) -> list[tuple[str, Request]]:
    return [
        ("api", Unlock(vault.app_key, "ana@example.org", PASSWORD)),
        ("api", Enrol(vault.app_key, new_uuid(), "ana@example.org", PASSWORD)),
        ("api", ChangePassword(new_uuid(), PASSWORD, "another one, which is long")),
        ("api", Epoch(new_uuid())),
        ("operator", CreateApp("one more")),
        ("worker_keys", Log().grow_to(40).asking(30)),
        ("worker_records", Log().grow_to(4).asking(0, "records")),
    ]


def refused_with(vault: Vault, caller: str, request: Request) -> str:
    try:
        as_caller(vault, caller).call(request, ANSWERS[type(request)])
    except VaultError as error:
        return error.code
    return "ok"


def test_a_restored_backup_is_served_to_nobody_and_the_remedy_is_exact(backed_up: Vault) -> None:
    backed_up.running["kms"].stop()
    restore(backed_up)
    backed_up.start_forked_kms(wait=False)
    backed_up.wait_for(lambda: chains.health(backed_up) is not None, backed_up.running["kms"])

    for caller, request in requests(backed_up):
        assert refused_with(backed_up, caller, request) == "audit.log_restored", request.name
    with pytest.raises(LogRestoredError) as refused:
        kms_of(backed_up).call(Epoch(new_uuid()), EpochIs)
    assert refused.value.remedy.endswith("vaultctl audit accept-restore --side keys")
    assert "20 leaves, and 30 were signed" in refused.value.detail
    assert health(backed_up).audit == "audit.log_restored"
    assert last_head(backed_up).size == 30
    assert as_caller(backed_up, "worker_keys").call(ReportSealed("keys", None, 0, 0.0), Done) == Done()


def test_a_failover_to_an_older_copy_is_noticed_and_the_newest_put_back_ends_it(backed_up: Vault) -> None:
    """Without a restart."""
    person = enrol(backed_up, kms_of(backed_up))
    restore(backed_up)

    until_it_says(backed_up, "audit.log_restored")
    with pytest.raises(LogRestoredError):
        person.unlock()

    restore(backed_up, "newest")
    backed_up.wait_for(backed_up.kms_is_healthy, backed_up.running["kms"])
    assert enrol(backed_up, kms_of(backed_up)).unlock().epoch == 1


def until_it_says(vault: Vault, code: str) -> None:
    vault.wait_for(lambda: health(vault).audit == code, vault.running["kms"])


def test_a_database_as_large_that_holds_other_leaves_is_refused(backed_up: Vault) -> None:
    """As a superuser writes the log anew, to its full length."""
    Log().grow_to(19).grow_to(35, "another").store(backed_up.keys)
    until_it_says(backed_up, "audit.log_restored")
    assert refused_with(backed_up, "api", Epoch(new_uuid())) == "audit.log_restored"


def test_tiles_that_are_gone_are_refused(backed_up: Vault) -> None:
    with backed_up.keys.superuser() as conn:
        conn.execute("ALTER TABLE audit_tiles DISABLE TRIGGER ALL")
        conn.execute("DELETE FROM audit_tiles")
    until_it_says(backed_up, "audit.log_restored")


def test_an_accepted_restore_goes_on_as_a_generation_of_its_own(backed_up: Vault) -> None:
    abandoned = last_head(backed_up).note
    assert abandoned is not None
    restore(backed_up)

    begun = accept(backed_up)

    name = said_by(abandoned).origin
    assert (begun.generation, begun.origin, begun.key_name) == (2, f"{name}/restored-1", name)
    assert (begun.size, begun.root, begun.note) == (20, ACCEPTED.root, None)
    body = abandoned.split("\n\n")[0] + "\n"
    assert events(backed_up, KeysEvent.LOG_RESTORED) == [hashlib.sha256(body.encode()).digest()]
    assert backed_up.kms_is_healthy()
    with backed_up.keys.superuser() as conn:
        kept = conn.execute("SELECT note FROM signed_heads WHERE generation = 1").fetchall()
    assert kept == [(abandoned,)], "what was given up stays for whoever verifies the log"

    backed_up.running["kms"].kill()
    backed_up.start_forked_kms()
    told = last_head(backed_up)
    assert (told.generation, told.origin, told.size, told.root, told.note) == (
        begun.generation, begun.origin, begun.size, begun.root, None,
    )  # fmt: skip
    assert told.given_up == (hashlib.sha256(body.encode()).digest(),)
    note = sign(backed_up, Log().grow_to(20).grow_to(25, "after the restore"), 20)
    assert said_by(note).origin == f"{name}/restored-1"
    assert enrol(backed_up, kms_of(backed_up)).unlock().epoch == 1


def test_the_new_generation_begins_with_nothing_but_an_append_of_what_was_accepted(backed_up: Vault) -> None:
    restore(backed_up)
    accept(backed_up)
    for request in (
        Log().grow_to(30).asking(30),  # what was given up
        Log().grow_to(25, "another").asking(20),
        Log().grow_to(19).asking(0),
        Log().grow_to(20, "another").asking(20),
        Log().grow_to(25, "another").asking(0),
    ):
        with pytest.raises(CheckpointRefusedError):
            ask(backed_up, request)


def test_accepting_twice_is_accepting_once(backed_up: Vault) -> None:
    restore(backed_up)
    assert accept(backed_up) == accept(backed_up)
    assert len(events(backed_up, KeysEvent.LOG_RESTORED)) == 1


def test_a_second_restore_begins_a_third_generation(backed_up: Vault) -> None:
    restore(backed_up)
    accept(backed_up)
    sign(backed_up, Log().grow_to(20).grow_to(26, "after"), 20)
    restore(backed_up)
    until_it_says(backed_up, "audit.log_restored")

    begun = accept(backed_up)

    assert (begun.generation, begun.size) == (3, 20)
    with backed_up.keys.superuser() as conn:
        kept = conn.execute("SELECT generation, tree_size FROM signed_heads ORDER BY 1").fetchall()
    assert kept == [(1, 30), (2, 26)]


def digest_of(note: str | None) -> bytes:
    assert note is not None
    return hashlib.sha256((note.split("\n\n")[0] + "\n").encode()).digest()


def test_the_same_backup_put_back_once_more_lost_the_event_and_gets_it_again(backed_up: Vault) -> None:
    """Without it nothing would ever be signed: the log has to say itself that it was restored."""
    given_up = digest_of(last_head(backed_up).note)
    restore(backed_up)
    begun = accept(backed_up)
    restore(backed_up)
    backed_up.wait_for(backed_up.kms_is_healthy, backed_up.running["kms"])
    assert events(backed_up, KeysEvent.LOG_RESTORED) == []

    assert accept(backed_up) == begun

    assert events(backed_up, KeysEvent.LOG_RESTORED) == [given_up]
    with backed_up.keys.superuser() as conn:
        kept = conn.execute("SELECT generation, tree_size FROM signed_heads WHERE log = 'keys'").fetchall()
    assert kept == [(1, 30)]


def test_another_backup_accepted_before_anything_was_signed_explains_the_same_head(backed_up: Vault) -> None:
    """The first one was a mistake: it must not leave a generation that nobody can explain."""
    given_up = digest_of(last_head(backed_up).note)
    restore(backed_up)
    accept(backed_up)
    restore(backed_up)
    older = Log().grow_to(10)
    older.store(backed_up.keys)

    begun = accept(backed_up, AcceptRestore("keys", 10, older.root()))

    assert (begun.generation, begun.size, begun.given_up) == (2, 10, (given_up,))
    assert events(backed_up, KeysEvent.LOG_RESTORED) == [given_up]
    assert sign(backed_up, older.grow_to(12, "after"), 10)


def test_a_backup_from_before_an_earlier_restore_explains_both(backed_up: Vault) -> None:
    """The event that named the first head is gone with what was restored over."""
    first = digest_of(last_head(backed_up).note)
    restore(backed_up)
    accept(backed_up)
    second = digest_of(sign(backed_up, Log().grow_to(20).grow_to(26, "after"), 20))
    restore(backed_up)
    until_it_says(backed_up, "audit.log_restored")

    assert accept(backed_up).given_up == (first, second)

    assert events(backed_up, KeysEvent.LOG_RESTORED) == [first, second]


@pytest.mark.parametrize(
    "request_", [AcceptRestore("keys", 30, bytes(32)), AcceptRestore("keys", 20, bytes(32)),
                 AcceptRestore("keys", 10, Log().grow_to(10).root()), AcceptRestore("keys", 0, EMPTY_ROOT)],
)  # fmt: skip
def test_only_what_is_really_in_the_database_is_accepted(backed_up: Vault, request_: AcceptRestore) -> None:
    restore(backed_up)
    with pytest.raises(RestoreRefusedError):
        accept(backed_up, request_)
    assert last_head(backed_up).generation == 1
    assert events(backed_up, KeysEvent.LOG_RESTORED) == []


def test_a_sound_log_cannot_be_cut_by_accepting_a_restore_that_was_none(backed_up: Vault) -> None:
    """An operator must not make the log forget its last leaves."""
    for size in (20, 29, 30, 31):
        with pytest.raises(RestoreRefusedError):
            accept(backed_up, AcceptRestore("keys", size, Log().grow_to(size).root()))
    assert last_head(backed_up).generation == 1

    grown = Log().grow_to(33)  # three leaves that are in the tree and not signed yet
    grown.store(backed_up.keys)
    with pytest.raises(RestoreRefusedError, match="not older"):
        accept(backed_up, AcceptRestore("keys", 33, grown.root()))


@pytest.mark.parametrize("caller", ["api", "worker_keys", "worker_records"])
def test_nobody_but_the_operator_accepts_a_restore(backed_up: Vault, caller: str) -> None:
    with pytest.raises(CallerRefusedError):
        as_caller(backed_up, caller).call(ACCEPTED, LogHeadIs)


def test_a_restore_of_the_records_database_stands_in_the_keys_log(backed_up: Vault) -> None:
    records = Log().grow_to(12, "record")
    with pytest.raises(RestoreRefusedError, match="nothing"):
        accept(backed_up, AcceptRestore("records", 12, records.root()))
    note = ask(backed_up, records.asking(0, "records"))
    with pytest.raises(RestoreRefusedError):
        accept(backed_up, AcceptRestore("records", 12, records.root()))
    older = Log().grow_to(7, "record")

    begun = accept(backed_up, AcceptRestore("records", 7, older.root()))

    assert (begun.generation, begun.size, begun.origin.rpartition("/")[2]) == (2, 7, "restored-1")
    body = note.split("\n\n")[0] + "\n"
    digest = hashlib.sha256(body.encode()).digest()
    assert events(backed_up, KeysEvent.RECORDS_LOG_RESTORE_ACCEPTED) == [digest]
    assert ask(backed_up, older.grow_to(9, "after").asking(7, "records"))
    assert last_head(backed_up).generation == 1


def test_a_head_that_a_superuser_wrote_down_as_signed_is_not_gone_on_from(backed_up: Vault) -> None:
    """Else a database could be given a past that this vault never signed."""
    fork = Log().grow_to(40, "forged")
    fork.store(backed_up.keys)
    real = last_head(backed_up).note
    assert real is not None
    forged = real.replace(real.split("\n\n")[0], said_by(real).origin + "\n40\n" + _root_text(fork.root()))
    with backed_up.keys.superuser() as conn:
        conn.execute("UPDATE signed_heads SET tree_size = 40, note = %s WHERE log = 'keys'", (forged,))

    with pytest.raises(HeadsDisagreeError):
        ask(backed_up, fork.grow_to(41).asking(40))


def _root_text(root: bytes) -> str:
    return base64.b64encode(root).decode()


def test_heads_that_disagree_are_refused_to_everybody(backed_up: Vault) -> None:
    real = last_head(backed_up).note
    assert real is not None
    other = real.split("\n")
    other[2] = _root_text(bytes(32))
    with backed_up.keys.superuser() as conn:
        conn.execute("UPDATE signed_heads SET note = %s WHERE log = 'keys'", ("\n".join(other),))
    until_it_says(backed_up, "audit.heads_disagree")
    assert refused_with(backed_up, "api", Epoch(new_uuid())) == "audit.heads_disagree"


def test_a_file_of_heads_that_cannot_be_read_is_refused_with_its_place(backed_up: Vault) -> None:
    file = backed_up.home / "state" / "kms" / "signed-heads"
    good = file.read_bytes()
    file.write_bytes(b"nonsense\n" + good)
    until_it_says(backed_up, "audit.heads_unreadable")
    with pytest.raises(VaultError, match="line 1 of"):
        sign(backed_up, Log().grow_to(31), 30)
    file.write_bytes(good)
    backed_up.wait_for(backed_up.kms_is_healthy, backed_up.running["kms"])
    assert sign(backed_up, Log().grow_to(31), 30)
