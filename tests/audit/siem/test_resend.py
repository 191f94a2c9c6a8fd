"""A receiver that was corrected gets what it had refused: its place is moved back, and the trail says so."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.audit.siem.log import Keeper, dead_letters, delivering, fill, state, until
from tests.audit.siem.test_delivery import Fault, refuses
from tests.rig.postgres import TestDatabase
from tests.rig.vault import Vault
from vault_service.audit.siem.resend import SentAgain, send_again
from vault_service.bootstrap.connections import kms_client
from vault_service.cli.main import create_app
from vault_service.domain.errors import (
    CallerRefusedError,
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from vault_service.domain.events import KeysEvent
from vault_service.kms.protocol.messages import Done, SendEventsAgain
from vault_service.kms.sealing.events_sent_again import digest_of
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.audit.outbox import GONE, held_outbox, move_back

pytestmark = pytest.mark.slow


@pytest.fixture
def keys_log(sealing_vault: Vault) -> Iterator[TestDatabase]:
    """The keys log of a vault, with no receiver yet."""
    yield sealing_vault.keys
    with sealing_vault.keys.superuser() as conn:
        conn.execute("TRUNCATE audit_outbox, audit_dead_letters")


def delivered(database: TestDatabase, fault: Fault = lambda _: None) -> Keeper:
    """A receiver that has come to the end of the log."""
    keeper = Keeper()
    keeper.fault = fault
    with delivering(database, keeper):
        until(lambda: state(database).behind == 0)
    return keeper


def ask(
    vault: Vault, first: int | None = None, receiver: str = "keeper", caller: str = "operator"
) -> SentAgain:
    """As whoever has the worker's role, and is this to the key service."""
    kms = kms_client(KmsClientSettings(url=vault.socket(caller)))
    db = vault.keys.open("vault_worker_keys", size=1)
    try:
        return send_again(db, kms, "keys", receiver, first)
    finally:
        db.close()
        kms.close()


def told(vault: Vault) -> list[bytes]:
    with vault.keys.superuser() as conn:
        rows = conn.execute(
            "SELECT digest FROM audit_events WHERE kind = %s ORDER BY at, event_id",
            [int(KeysEvent.EVENTS_SENT_AGAIN)],
        ).fetchall()
    return [digest for (digest,) in rows if isinstance(digest, bytes)]


def test_from_the_oldest_event_that_it_refused_on_everything_comes_again(
    sealing_vault: Vault, keys_log: TestDatabase
) -> None:
    fill(keys_log, 12)
    delivered(keys_log, refuses(3, 7))
    end, before = state(keys_log).next_index, told(sealing_vault)

    answer = ask(sealing_vault)
    again = delivered(keys_log)

    assert answer == SentAgain(first=3, events=end - 3, dead_letters=2)
    assert [event.index for batch in again.batches for event in batch] == list(range(3, end))
    assert dead_letters(keys_log) == []
    assert told(sealing_vault) == [*before, digest_of(SendEventsAgain("keys", "keeper", 3))]


def test_what_is_refused_once_more_is_set_aside_once_more(
    sealing_vault: Vault, keys_log: TestDatabase
) -> None:
    fill(keys_log, 8)
    delivered(keys_log, refuses(3, 5))

    ask(sealing_vault)
    delivered(keys_log, refuses(5))

    assert [each.index for each in dead_letters(keys_log)] == [5]


def test_the_whole_log_can_be_sent_again_and_older_dead_letters_stay(
    sealing_vault: Vault, keys_log: TestDatabase
) -> None:
    fill(keys_log, 8)
    delivered(keys_log, refuses(2, 6))

    assert ask(sealing_vault, 4).dead_letters == 1
    delivered(keys_log)
    assert [each.index for each in dead_letters(keys_log)] == [2]

    assert ask(sealing_vault, 0).first == 0
    assert delivered(keys_log).batches[0][0].index == 0
    assert dead_letters(keys_log) == []


def test_an_event_that_nobody_can_send_any_more_is_no_reason_to_begin_with_it(
    sealing_vault: Vault, keys_log: TestDatabase
) -> None:
    fill(keys_log, 8)
    delivered(keys_log, refuses(5))
    with keys_log.superuser() as conn:
        conn.execute("INSERT INTO audit_dead_letters VALUES ('keeper', 1, %s, now())", [GONE])

    assert ask(sealing_vault).first == 5


def test_whoever_delivers_at_that_moment_does_not_take_the_move_back(
    sealing_vault: Vault, keys_log: TestDatabase
) -> None:
    """A batch is under way while the place moves: that it was taken moves nothing from the new place."""
    fill(keys_log, 8)
    delivered(keys_log)
    stands = state(keys_log).next_index
    fill(keys_log, 4)
    db = keys_log.open("vault_worker_keys", size=1)

    with held_outbox(db, "keeper") as outbox:
        assert outbox is not None
        ask(sealing_vault, 2)
        outbox.advance(stands, 4)
        outbox.set_aside(stands, "HTTP 400")
    db.close()

    assert state(keys_log).next_index == 2
    assert dead_letters(keys_log) == []


def test_of_two_who_ask_at_once_the_further_back_one_stands(
    sealing_vault: Vault, keys_log: TestDatabase
) -> None:
    """The later one has looked before the earlier one moved: its place is ahead by now."""
    fill(keys_log, 8)
    delivered(keys_log, refuses(1))
    ask(sealing_vault, 1)

    with keys_log.connect("vault_worker_keys") as conn:
        assert move_back(conn, "keeper", 5) == 0

    assert state(keys_log).next_index == 1


@pytest.mark.parametrize(
    ("receiver", "first", "error"),
    [
        ("nobody", None, NotFoundError),
        ("keeper", None, InvalidInputError),
        ("keeper", 10**6, InvalidInputError),
    ],
    ids=["no such receiver", "nothing refused", "forward"],
)
def test_what_cannot_be_sent_again_is_said_and_leaves_no_event(
    sealing_vault: Vault, keys_log: TestDatabase, receiver: str, first: int | None, error: type[Exception]
) -> None:
    """Above all no place is moved forward: so nobody hides events from a receiver."""
    fill(keys_log, 2)
    delivered(keys_log)
    before, stands = told(sealing_vault), state(keys_log).next_index

    with pytest.raises(error):
        ask(sealing_vault, first, receiver)

    assert (told(sealing_vault), state(keys_log).next_index) == (before, stands)


@pytest.mark.parametrize(
    ("caller", "error"), [("worker_keys", CallerRefusedError), ("nobody", UnavailableError)]
)
def test_without_the_operators_right_or_the_key_service_nothing_moves(
    sealing_vault: Vault, keys_log: TestDatabase, caller: str, error: type[Exception]
) -> None:
    fill(keys_log, 4)
    delivered(keys_log, refuses(1))
    stands = state(keys_log).next_index

    with pytest.raises(error):
        ask(sealing_vault, caller=caller)

    assert state(keys_log).next_index == stands
    assert len(dead_letters(keys_log)) == 1


def test_the_command_runs_where_the_worker_and_the_operator_are(
    sealing_vault: Vault, keys_log: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(keys_log, 4)
    delivered(keys_log, refuses(1))
    stands, settings = state(keys_log).next_index, tmp_path / "vault.toml"
    kms = sealing_vault.socket("worker_keys")
    worker = (
        f"[worker_keys]\nstate_dir = '{tmp_path}'\nkms = {{ url = '{kms}' }}\n"
        f"database = {{ dsn = '{keys_log.dsn('vault_worker_keys')}', "
        f"password_file = '{keys_log.password_file('vault_worker_keys')}' }}\n"
    )
    operator = f"[operator]\nurl = '{sealing_vault.socket('operator')}'\n"
    monkeypatch.setenv("VAULT_SETTINGS", str(settings))

    def run(*sections: str) -> Result:
        settings.write_text(f"policies_dir = '{tmp_path}'\n" + "".join(sections))
        return CliRunner().invoke(create_app(), ["audit", "resend", "keeper", "--side", "keys", "--json"])

    for sections, missing in (((operator,), "worker_keys"), ((worker,), "operator")):
        refused = run(*sections).exception
        assert isinstance(refused, ConfigurationError)
        assert missing in refused.detail
    done = run(worker, operator)

    assert json.loads(done.stdout) == {
        "log": "keys", "receiver": "keeper", "from": 1, "events": stands - 1, "dead_letters": 1,
    }  # fmt: skip


def test_the_key_service_takes_the_names_that_receivers_have(sealing_vault: Vault) -> None:
    kms = kms_client(KmsClientSettings(url=sealing_vault.socket("operator")))
    for name in ("a", "splunk_2-east", "x" * 64):
        kms.call(SendEventsAgain("records", name, 2**63 - 1), Done)
    with pytest.raises(InvalidInputError):
        kms.call(SendEventsAgain("records", "\x1b[2J", 0), Done)
    kms.close()
