"""kill -9 of the key service after each step of signing a head: no two heads that contradict each other."""

import hashlib

import pytest

from tests.kms.logs import Log, as_caller, ask, last_head
from tests.kms.test_kill_at_each_step import Check, answered, kill_at_each_step
from tests.rig.vault import Vault
from vault_service.domain.audit_errors import CheckpointRefusedError
from vault_service.domain.events import KeysEvent
from vault_service.kms.protocol.messages import AcceptRestore, LogHeadIs
from vault_service.tlog.merkle import EMPTY_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_of_two_heads_that_contradict_each_other_one_is_signed_at_the_most(own_vault: Vault) -> None:
    known = Log()

    def attempt(step: int) -> Check:
        mine = known.copy().grow(f"mine {step}")
        other = known.copy().grow(f"other {step}")
        done = answered(lambda: ask(own_vault, mine.asking(known.size, "records")))

        def check() -> None:
            head = last_head(own_vault, "records")
            signed = (head.size, head.root) == (mine.size, mine.root())
            assert signed or (head.size, head.root) == (known.size, known.root()), f"after step {step}"
            assert signed or not done
            first, second = (mine, other) if signed else (other, mine)
            note = ask(own_vault, first.asking(known.size, "records"))
            assert last_head(own_vault, "records").note == note
            with pytest.raises(CheckpointRefusedError):
                ask(own_vault, second.asking(known.size, "records"))
            known.size, known.tiles = first.size, first.tiles

        return check

    assert kill_at_each_step(own_vault, "sign_checkpoint", attempt) > 4


def test_an_accepted_restore_is_in_the_log_before_the_new_generation_begins(own_vault: Vault) -> None:
    """Killed at any step, it can be accepted again, and no generation is without its event."""
    nothing = AcceptRestore("records", 0, EMPTY_ROOT)
    ask(own_vault, Log().grow("first").asking(0, "records"))

    def attempt(step: int) -> Check:
        before = last_head(own_vault, "records")
        assert before.note is not None
        body = before.note.split("\n\n")[0] + "\n"
        done = answered(lambda: as_caller(own_vault, "operator").call(nothing, LogHeadIs))

        def check() -> None:
            head = last_head(own_vault, "records")
            assert head == before or (head.generation, head.size) == (before.generation + 1, 0)
            assert head != before or not done
            if head != before:
                assert events(own_vault, body) == 1, f"after step {step}"
            accepted = as_caller(own_vault, "operator").call(nothing, LogHeadIs)
            assert accepted.generation == before.generation + 1
            assert events(own_vault, body) in (1, 2)
            ask(own_vault, Log().grow(f"after {step}").asking(0, "records"))

        return check

    assert kill_at_each_step(own_vault, "accept_restore", attempt) > 5


def events(vault: Vault, body: str) -> int:
    with vault.keys.superuser() as conn:
        found = conn.execute(
            "SELECT FROM audit_events WHERE kind = %s AND digest = %s",
            (int(KeysEvent.RECORDS_LOG_RESTORE_ACCEPTED), hashlib.sha256(body.encode()).digest()),
        ).fetchall()
    return len(found)
