"""For each kind of event a flow that leaves it.

A new kind needs a flow: one in flows.py that names it (it is then tried in all tests of P8), or, where
that does not do, a function of its own here.
"""

import contextlib
import functools
import os
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from tests.promises.break_glass_flow import use_break_glass
from tests.promises.every_call import restore_to_accept
from tests.promises.flows import Life, as_expected
from tests.promises.pin_flows import PIN_LEAVES
from tests.promises.put_back_flow import put_back
from tests.promises.recovery_flows import FLOWS, expire
from tests.promises.rewrap_calls import report_verified
from tests.promises.rotation_calls import ROTATION_LEAVES
from tests.promises.rotation_cost_flows import raise_cost
from vault_service.audit.checkpoint_file import CheckpointFile
from vault_service.audit.errors import RestoreUnsealedError
from vault_service.audit.figures import SealingFigures
from vault_service.audit.sealing import Sealer, SealerParts
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.audit_errors import CheckpointRefusedError
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.logs import LogName
from vault_service.kms.protocol.messages import AcceptRestore, CheckpointSigned, LogHeadIs, SignCheckpoint
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.tlog.merkle import EMPTY_ROOT

Kind = KeysEvent | RecordsEvent
Leave = Callable[[Life], None]

BY_GENESIS: frozenset[Kind] = frozenset({KeysEvent.MANIFEST_SIGNED, KeysEvent.SHARES_STORED})
"""Left once, before a vault can be used."""


def _run(name: str, life: Life) -> None:
    act = FLOWS[name].begin(life)
    with as_expected(FLOWS[name].refused):
        act()


def _leaves() -> dict[Kind, Leave]:
    leaves: dict[Kind, Leave] = {}
    for name, flow in FLOWS.items():
        kinds: list[Kind] = [*flow.keys, *flow.records]
        for kind in kinds:
            leaves.setdefault(kind, functools.partial(_run, name))
    return leaves


def _accepted(log: LogName, life: Life) -> None:
    life.operator.call(restore_to_accept(life.vault, log), LogHeadIs)


def _refused_checkpoint(life: Life) -> None:
    """Twice the same size, with another root."""
    with contextlib.closing(kms_client(KmsClientSettings(url=life.vault.socket("worker_records")))) as kms:
        kms.call(SignCheckpoint("records", 5, os.urandom(32), 0, ()), CheckpointSigned)
        with pytest.raises(CheckpointRefusedError):
            kms.call(SignCheckpoint("records", 5, os.urandom(32), 5, ()), CheckpointSigned)
    life.operator.call(AcceptRestore("records", 0, EMPTY_ROOT), LogHeadIs)


def _restored_records(life: Life) -> None:
    """The worker learns of it at its next turn."""
    _accepted("records", life)
    state = life.vault.home / "state" / "kinds"
    state.mkdir(exist_ok=True)
    db = life.vault.records.open("vault_worker_records", size=2)
    kms = kms_client(KmsClientSettings(url=life.vault.socket("worker_records")))
    with contextlib.closing(db), contextlib.closing(kms), pytest.raises(RestoreUnsealedError):
        Sealer(
            SealerParts(
                "records", db, kms, life.worker.parts.policies.audit, CheckpointFile(state),
                SealingFigures(CollectorRegistry(), "records"),
            )
        ).turn()  # fmt: skip


LEAVES: dict[Kind, Leave] = {
    **_leaves(),
    **PIN_LEAVES,
    **ROTATION_LEAVES,
    KeysEvent.CASE_EXPIRED: expire,
    KeysEvent.PASSWORD_REWRAPPED: raise_cost,
    KeysEvent.MANIFESTS_PUT_BACK: put_back,
    KeysEvent.BREAK_GLASS_USED: lambda life: use_break_glass(life.vault),
    KeysEvent.CHECKPOINT_REFUSED: _refused_checkpoint,
    KeysEvent.WRAPS_VERIFIED: report_verified,
    KeysEvent.LOG_RESTORED: functools.partial(_accepted, "keys"),
    KeysEvent.RECORDS_LOG_RESTORE_ACCEPTED: functools.partial(_accepted, "records"),
    RecordsEvent.LOG_RESTORED: _restored_records,
}
