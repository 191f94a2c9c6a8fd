"""Where what takes batches of a rotation is put together: within the keys side's worker, or for itself."""

import contextlib
from collections.abc import Generator
from functools import partial

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from vault_service.bootstrap.connections import connect, kms_client, missing
from vault_service.logs import configure_logging
from vault_service.policy.load import load_policies
from vault_service.policy.rules import Policies
from vault_service.process import harden, until_told_to_stop
from vault_service.rotation.figures import RotationFigures
from vault_service.rotation.jobs import Batches
from vault_service.rotation.plan import Planner
from vault_service.rotation.runner import QueuePlace, RotationRunner
from vault_service.rotation.schedule import Schedule
from vault_service.settings import Settings, Worker, read_secret
from vault_service.storage.keys.rotation_plans import database_time

_log = structlog.get_logger("start")


@contextlib.contextmanager
def rotating(
    worker: Worker,
    policies: Policies,
    registry: CollectorRegistry,
    *,
    at_once: int | None = None,
    scheduled: bool = False,
) -> Generator[None]:
    """Batches are taken meanwhile, with connections of their own. `at_once`: by this process.

    `scheduled`: also look at what is due, and begin it where the policy says so.
    """
    engine = policies.rotation.engine
    consumers = at_once or engine.workers
    db = connect(worker.database, size=consumers + 2, name="rotation")
    kms = kms_client(worker.kms)
    figures = RotationFigures(registry)
    schedule = Schedule(kms, policies.rotation, partial(db.run, database_time), figures.show_due)
    runner = RotationRunner(
        QueuePlace(worker.database.dsn, read_secret(worker.database.password_file)),
        Batches(db, kms, engine.batch, figures.batch_failed),
        Planner(db, kms, engine.batch, figures.update),
        consumers=consumers,
        look=schedule.look if scheduled else None,
    )
    runner.start()
    try:
        yield
    finally:
        runner.stop()
        kms.close()
        db.close()


def serve_rotation(settings: Settings, *, at_once: int | None, metrics_port: int | None) -> None:
    """Take batches until SIGTERM: one more process, on this host or another."""
    configure_logging(settings.log_level)
    harden()
    worker = settings.worker_keys
    if worker is None:
        raise missing("worker_keys")
    with until_told_to_stop() as stop:
        policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
        registry = CollectorRegistry()
        if metrics_port is not None:
            start_http_server(metrics_port, addr="127.0.0.1", registry=registry)
        with rotating(worker, policies, registry, at_once=at_once):
            _log.info("rotation.ready")
            stop.wait()
