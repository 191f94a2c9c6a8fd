"""P10: a full disk, of a database server or of the key service: 503, nothing half done, back by itself.

PostgreSQL goes on for as long as there is room in the pages and in the log's segment that it has; what
is acknowledged then is kept. When it cannot begin the next segment of its log it stops altogether
(PANIC), and cannot start again before there is room: its service manager starts it (docs/operations.md).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.promises.every_call import NAME, REFUSALS, ROUTES, Somebody, people_of
from tests.promises.state import State
from tests.promises.test_p10_parts_that_go_away import assert_unavailable, back_by_itself
from tests.rig.postgres import TestServer, fresh_database, running_server
from tests.rig.small_disk import SmallDisk, mounted
from tests.rig.vault import PASSWORD, Vault, running_vault
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.kms.kept.tombstones import Tombstones
from vault_service.storage.roles import SIDES, Side

pytestmark = pytest.mark.slow

_TRIES = 400  # a page of 8 KiB has room for about sixty events, and an index for a few pages of them


@dataclass(frozen=True)
class Crowded:
    """A vault each of whose database servers has a small disk of its own."""

    vault: Vault
    servers: dict[Side, TestServer]
    disks: dict[Side, SmallDisk]


@pytest.fixture(scope="module")
def crowded(scratch: Path) -> Iterator[Crowded]:
    with ExitStack() as stack:
        disks = {side: stack.enter_context(mounted(scratch / f"small-{side}", "192m")) for side in SIDES}
        # Durable: what was acknowledged must be there after a crash.
        servers = {
            side: stack.enter_context(running_server(disks[side].folder, durable=True)) for side in SIDES
        }
        keys, records = (stack.enter_context(fresh_database(servers[side], side)) for side in SIDES)
        vault = stack.enter_context(running_vault(scratch / "crowded", keys, records, forked=True))
        vault.start_forked_api()
        yield Crowded(vault, servers, disks)


def until_refused(send: Callable[[], httpx.Response]) -> int:
    """How often it went well before."""
    for number in range(_TRIES):
        answer = send()
        if not answer.is_success and answer.status_code != 401:
            assert_unavailable(answer)
            assert NAME not in answer.text
            return number
    raise AssertionError("the disk is full, and it is served for ever")


def kinds(state: State) -> list[int]:
    return [kind for _, kind in state.events.values()]


READS = {
    "read_record": RecordsEvent.RECORD_READ,
    "list_records": RecordsEvent.RECORDS_LISTED,
    "search_records": RecordsEvent.RECORDS_SEARCHED,
    "accesses": RecordsEvent.ACCESSES_READ,
    "export": RecordsEvent.RECORDS_EXPORTED,
}


def test_on_a_full_disk_of_the_records_side_nothing_is_written_and_nothing_is_read(crowded: Crowded) -> None:
    vault = crowded.vault
    (who,) = people_of(vault, 1)
    before = kinds(State.of(vault.records))

    with crowded.disks["records"].full():
        written = until_refused(lambda: ROUTES["create_record"].send(who))
        read = {name: until_refused(lambda name=name: ROUTES[name].send(who)) for name in READS}  # type: ignore[misc]
        opened = until_refused(lambda: ROUTES["sign_in"].send(who))
        until_refused(lambda: ROUTES["ready"].send(who))  # its event may still fit into an open page

    after = kinds(State.of(vault.records))
    expected = {RecordsEvent.RECORD_CREATED: written, RecordsEvent.SESSION_OPENED: opened}
    expected |= {READS[name]: number for name, number in read.items()}
    assert {kind: after.count(int(kind)) - before.count(int(kind)) for kind in expected} == expected
    assert records_of(who) == 1 + written
    back_by_itself(lambda: ROUTES["create_record"].send(who))
    back_by_itself(lambda: ROUTES["ready"].send(who))


def records_of(who: Somebody) -> int:
    """As soon as they can be read."""
    lines = back_by_itself(lambda: ROUTES["export"].send(who)).text.splitlines()
    assert len(lines) == json.loads(lines[-1])["records"] + 1
    return len(lines) - 1


def test_on_a_full_disk_of_the_keys_side_nobody_gets_in_and_open_sessions_go_on(crowded: Crowded) -> None:
    vault = crowded.vault
    who, other = people_of(vault, 2)
    before = State.of(vault.keys)

    with crowded.disks["keys"].full():
        signed_up = until_refused(lambda: ROUTES["sign_up"].send(who))
        refused = until_refused(lambda: REFUSALS["an unknown login"].send(who))
        signed_in = until_refused(lambda: ROUTES["sign_in"].send(who))
        assert_unavailable(ROUTES["change_password"].send(other))
        assert ROUTES["read_record"].send(who).is_success

    after = State.of(vault.keys)
    for kind, number in (
        (KeysEvent.USER_ENROLLED, signed_up),
        (KeysEvent.UNLOCK_REFUSED, refused),
        (KeysEvent.UNLOCKED, signed_in),
        (KeysEvent.PASSWORD_CHANGED, 0),
    ):
        assert kinds(after).count(int(kind)) - kinds(before).count(int(kind)) == number
    users = [sum(table == "users" for table, _ in each.rows) for each in (before, after)]
    assert users[1] - users[0] == signed_up
    back_by_itself(lambda: ROUTES["sign_up"].send(other))
    back_by_itself(lambda: ROUTES["sign_in"].send(other))


def test_a_server_that_stopped_since_its_log_had_no_room_loses_nothing_that_was_acknowledged(
    crowded: Crowded,
) -> None:
    vault, server = crowded.vault, crowded.servers["records"]
    (who,) = people_of(vault, 1)
    with vault.records.superuser() as admin:
        admin.execute("SELECT count(*) FROM audit_events")  # a new connection would need room for its caches
        with crowded.disks["records"].full():
            written = until_refused(lambda: ROUTES["create_record"].send(who))
            vault.wait_for(lambda: has_stopped(server, admin, who), vault.running["api"])
            assert_unavailable(ROUTES["read_record"].send(who))
    assert b"PANIC" in (server.folder / "postgres.log").read_bytes()

    server.start()  # its recovery needed room as well; this is what the service manager does

    assert records_of(who) == 1 + written
    back_by_itself(lambda: ROUTES["create_record"].send(who))


def has_stopped(server: TestServer, admin: "psycopg.Connection[Any]", who: Somebody) -> bool:
    """Writing goes on meanwhile: whatever it needs of the log makes the server stop.

    The rest of each segment is passed over, until there is none left and no room for another.
    """
    assert_unavailable(ROUTES["create_record"].send(who))
    with suppress(psycopg.Error):
        admin.execute("SELECT pg_switch_wal()")
    return server.server.poll() is not None


# --- the key service's own folder


@pytest.fixture
def small_state(own_vault: Vault) -> Iterator[SmallDisk]:
    """The key service's state on a small disk, with what was in it; it is not running."""
    own_vault.running["kms"].stop()
    folder = own_vault.home / "state" / "kms"
    files = {each.name: each.read_bytes() for each in folder.iterdir()}
    with mounted(folder, "64k") as small:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        yield small
        own_vault.stop_all()


def test_nobody_is_erased_who_could_not_be_remembered(own_vault: Vault, small_state: SmallDisk) -> None:
    """A restored backup would bring them back. All else goes on, after a start as well."""
    with small_state.full():
        own_vault.start_forked_kms()
        own_vault.start_forked_api()
        (who,) = people_of(own_vault, 1)
        assert_unavailable(ROUTES["erase"].send(who))
        assert ROUTES["sign_in"].send(who).is_success
        assert ROUTES["read_record"].send(who).is_success

    assert ROUTES["erase"].send(who).status_code == 204
    assert [str(user) for user in Tombstones(small_state.folder).all()] == [who.user]


def test_without_room_to_remember_the_manifest_no_key_is_used_until_there_is(
    own_vault: Vault, small_state: SmallDisk
) -> None:
    """An older chain could be put in the place of this one later."""
    (small_state.folder / "manifest-serial").unlink()
    with small_state.full():
        kms = own_vault.start_forked_kms(wait=False)
        own_vault.start("api", "serve", "api")
        own_vault.wait_for(lambda: sign_up(own_vault).status_code == 503, kms)
        assert not own_vault.kms_is_healthy()

    back_by_itself(lambda: sign_up(own_vault))
    assert (small_state.folder / "manifest-serial").read_text() == "1"


def sign_up(vault: Vault) -> httpx.Response:
    try:
        return httpx.post(
            f"{vault.api_url}/v1/users",
            json={"login": "somebody@example.org", "password": PASSWORD},
            headers={"Authorization": f"Bearer {vault.app_key}"},
            timeout=60,
        )
    except httpx.TransportError:
        return httpx.Response(0)  # it does not listen yet
