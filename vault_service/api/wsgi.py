"""What a worker process of the API does at its start; also the entry for another WSGI server.

`vault_service.api.wsgi:create()` gives the application to any server that calls it after it has
forked: connections and threads do not survive a fork.
"""

from flask import Flask

from vault_service.accounts.records_log import RecordsLog
from vault_service.accounts.sealing import sealing_figures
from vault_service.api.app import create_app
from vault_service.api.health import every_part
from vault_service.api.metrics import Metrics
from vault_service.api.services import Services
from vault_service.api.user_page.services import PageServices
from vault_service.bootstrap.api import build_accounts, user_page
from vault_service.bootstrap.connections import missing
from vault_service.logs import configure_logging
from vault_service.process import collect_cycles, end_with_parent, harden
from vault_service.records.store import RecordStore
from vault_service.settings import Settings, load_settings
from vault_service.web.listening import reached_by_tls


def build(settings: Settings) -> Flask:
    """The application with everything it needs, and the listener for Prometheus beside it.

    Raises ConfigurationError.
    """
    configure_logging(settings.log_level)
    if settings.api is None:
        raise missing("api")
    end_with_parent()
    harden()
    accounts, policies = build_accounts(settings)
    metrics = Metrics.create()
    accounts.parts.kms.observe = metrics.kms_call
    metrics.watch_pool(accounts.parts.db.stats)
    metrics.watch_sealing(lambda: sealing_figures(accounts.parts))
    records_log = RecordsLog(accounts.parts.db, accounts.parts.kms)
    services = Services(accounts, RecordStore(accounts.parts.db, policies), records_log)
    metrics.watch_parts(lambda: every_part(services))
    metrics.listen(settings.api.metrics_port)
    https = reached_by_tls(settings.api)
    page = user_page(settings.api, policies)
    app = create_app(
        services, admit=records_log.demand, https=https, metrics=metrics,
        user_page=None if page is None else PageServices.of(services, page),
    )  # fmt: skip
    collect_cycles()
    return app


def create() -> Flask:
    """The same from $VAULT_SETTINGS or $VAULT_HOME/vault.toml."""
    return build(load_settings())
