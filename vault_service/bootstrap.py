"""The only place where settings become objects: each process is put together here."""

from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from vault_service.accounts.accounts import Accounts
from vault_service.accounts.service import AccountParts
from vault_service.bootstrap_sealing import CONNECTIONS, sealed_meanwhile, sealing_loop, witnessing
from vault_service.domain.errors import ConfigurationError
from vault_service.kms.client import ClientTls, KmsClient
from vault_service.logs import configure_logging
from vault_service.policy.load import load_policies
from vault_service.policy.rules import Policies
from vault_service.process import harden, until_told_to_stop
from vault_service.settings import Database as DatabaseSettings
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.settings import Settings, private_file, read_secret
from vault_service.storage.dsn import read_dsn
from vault_service.storage.pool import Database, open_database
from vault_service.worker import keys_tasks, records_tasks, run_tasks

_log = structlog.get_logger("start")

Side = Literal["keys", "records"]


def connect(database: DatabaseSettings, *, size: int, name: str) -> Database:
    """A pool of connections of one role; connects when it is first needed."""
    return open_database(database.dsn, read_secret(database.password_file), size=size, name=name)


def kms_client(settings: KmsClientSettings) -> KmsClient:
    """A client of the key service."""
    tls = settings.tls
    if tls is None:
        return KmsClient(settings.url)
    if tls.ca is None:
        raise ConfigurationError("kms.tls has no ca", remedy="Name the key service's authority.")
    return KmsClient(settings.url, ClientTls(tls.certificate, private_file(tls.key), tls.ca))


def missing(section: str) -> ConfigurationError:
    """What a process says that finds no settings of its own."""
    return ConfigurationError(
        f"there is no [{section}] section", remedy=f"Add [{section}] to vault.toml, or run this on its host."
    )


def build_accounts(settings: Settings) -> tuple[Accounts, Policies]:
    """The parts of the public API. Raises ConfigurationError."""
    if settings.api is None:
        raise missing("api")
    policies = load_policies(settings.policies_dir)
    db = connect(settings.api.database, size=settings.api.threads + 2, name="api")
    return Accounts(AccountParts(db, kms_client(settings.api.kms), policies)), policies


def check_accounts(settings: Settings) -> None:
    """Raise what `build_accounts` would, with no thread and no connection: for a process yet to fork."""
    if settings.api is None:
        raise missing("api")
    load_policies(settings.policies_dir)
    read_dsn(settings.api.database.dsn, "api")
    read_secret(settings.api.database.password_file)
    kms_client(settings.api.kms).close()


def serve_worker(settings: Settings, side: Side) -> None:
    """Run one side's background worker until SIGTERM."""
    configure_logging(settings.log_level)
    harden()
    worker = settings.worker_keys if side == "keys" else settings.worker_records
    if worker is None:
        raise missing(f"worker_{side}")
    with until_told_to_stop() as stop:
        policies = load_policies(settings.policies_dir)
        db = connect(worker.database, size=2, name=f"worker_{side}")
        kms = kms_client(worker.kms)
        tasks = keys_tasks(db) if side == "keys" else records_tasks(AccountParts(db, kms, policies))
        registry = CollectorRegistry()
        if worker.metrics_port is not None:
            start_http_server(worker.metrics_port, addr="127.0.0.1", registry=registry)
        # Connections of its own: nothing else of the worker holds up the log.
        seal_db = connect(worker.database, size=CONNECTIONS, name=f"seal_{side}")
        loop = sealing_loop(worker, side, seal_db, kms, policies, registry, settings.witnesses)
        with witnessing(worker, seal_db, kms) as more, sealed_meanwhile(loop, stop):
            _log.info("worker.ready", side=side)
            run_tasks((*tasks, *more), stop)
        seal_db.close()
        db.close()
