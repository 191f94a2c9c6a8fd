"""A worker that dies after any step of a turn: the next one goes on, and nothing contradicts itself."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audit.sealers import sealer
from tests.audit.trail import sealed, write_many
from tests.rig.vault import REPOSITORY, Vault
from vault_service.kms.protocol.messages import LogHead, LogHeadIs
from vault_service.tlog.checkpoint import parse_checkpoint
from vault_service.tlog.note import parse_note

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_after_each_step_of_a_turn(sealing_vault: Vault, tmp_path: Path) -> None:
    count = tmp_path / "count"
    total = 0
    with (
        subprocess.Popen(
            [sys.executable, "-m", "tests.audit.turner", "records", str(count)],
            cwd=REPOSITORY, env=sealing_vault.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as turner,
        sealer(sealing_vault, "records", checked=False) as rig,
    ):  # fmt: skip
        assert turner.stdin is not None
        assert turner.stdout is not None
        for step in range(1, 80):
            write_many(sealing_vault.records, 2)
            total += 2
            turner.stdin.write(f"{step}\n")
            turner.stdin.flush()
            status = int(turner.stdout.readline())
            if count.exists():
                break
            assert os.WTERMSIG(status) == signal.SIGKILL
            log = sealed(sealing_vault.records)
            log.assert_sound()
            saved, told = rig.saved(), rig.kms.call(LogHead("records"), LogHeadIs)
            held = rig.file.newest()
            held_size = 0 if held is None else parse_checkpoint(parse_note(held).text).size
            # What is told outside is never more than what was remembered before.
            assert (saved.size if saved else 0) <= held_size <= told.size <= log.size, f"killed after {step}"
            if step % 4 == 0:  # mostly the next killed one goes on itself
                rig.sealer.check_start()
                rig.sealer.turn()
                assert rig.counted().size == rig.head().size == total
        else:
            raise AssertionError("a turn has no end")
        turner.stdin.close()
        assert int(count.read_text()) > 15
        assert rig.counted().size == total
    sealed(sealing_vault.records).assert_sound()
