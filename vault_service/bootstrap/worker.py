"""A side's background worker put together: its tasks, what seals its log, what sends its events out."""

import contextlib
from collections.abc import Generator

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from vault_service.accounts.service import AccountParts
from vault_service.bootstrap.connections import connect, kms_client, missing
from vault_service.bootstrap.notices import figures_task, notices_sent
from vault_service.bootstrap.rotation import rotating
from vault_service.bootstrap.sealing import CONNECTIONS, sealed_meanwhile, sealing_loop, witnessing
from vault_service.bootstrap.siem import siem_delivery
from vault_service.logs import configure_logging
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.connect import Outbound
from vault_service.policy.load import load_policies
from vault_service.policy.rules import Policies
from vault_service.process import harden, until_told_to_stop
from vault_service.recovery.waiting import EVERY_S, Waiting
from vault_service.settings import Settings, Worker
from vault_service.storage.roles import Side
from vault_service.worker import Task, keys_tasks, records_tasks, run_tasks

_log = structlog.get_logger("start")


def serve_worker(settings: Settings, side: Side) -> None:
    """Run one side's background worker until SIGTERM."""
    configure_logging(settings.log_level)
    harden()
    worker = settings.worker_keys if side == "keys" else settings.worker_records
    if worker is None:
        raise missing(f"worker_{side}")
    with until_told_to_stop() as stop:
        policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
        db = connect(worker.database, size=2, name=f"worker_{side}")
        kms = kms_client(worker.kms)
        tasks = (
            (*keys_tasks(db), Task("let_cases_wait", EVERY_S, Waiting(db, policies.recovery).tick))
            if side == "keys"
            else records_tasks(AccountParts(db, kms, policies))
        )
        registry = CollectorRegistry()
        if worker.metrics_port is not None:
            start_http_server(worker.metrics_port, addr="127.0.0.1", registry=registry)
        if side == "keys":
            tasks = (*tasks, figures_task(db, policies, registry))
        # Connections of its own: nothing else of the worker holds up the log.
        seal_db = connect(worker.database, size=CONNECTIONS, name=f"seal_{side}")
        loop = sealing_loop(worker, side, seal_db, kms, policies, registry, settings.witnesses)
        with (
            _events_sent_out(worker, side, policies, registry),
            notices_sent(worker, policies) if side == "keys" else contextlib.nullcontext(),
            rotating(worker, policies, registry, scheduled=True)
            if side == "keys"
            else contextlib.nullcontext(),
            witnessing(worker, seal_db, kms) as more,
            sealed_meanwhile(loop, stop),
        ):
            _log.info("worker.ready", side=side)
            run_tasks((*tasks, *more), stop)
        seal_db.close()
        db.close()


@contextlib.contextmanager
def _events_sent_out(
    worker: Worker, side: Side, policies: Policies, registry: CollectorRegistry
) -> Generator[None]:
    """Receivers have connections of their own: however slow they are, the worker never waits for one."""
    if not worker.siem:
        yield
        return
    outbound = Outbound(AddressPolicy(policies.outbound.allow))
    db = connect(worker.database, size=len(worker.siem), name=f"siem_{side}")
    siem = siem_delivery(worker.siem, side, db, outbound, registry)
    siem.start()
    try:
        yield
    finally:
        siem.stop()
        db.close()
