"""What a worker process of the console does at its start; also the entry for another WSGI server.

One worker process only: who is signed in, and what waits for a signature, is known to it alone.
"""

from flask import Flask

from vault_service.bootstrap.connections import missing
from vault_service.bootstrap.console import ConsoleParts, build_console
from vault_service.console.app import create_app
from vault_service.console.intents import Intents
from vault_service.console.observe import observe
from vault_service.console.services import Services
from vault_service.console.sessions import Sessions
from vault_service.logs import configure_logging
from vault_service.process import collect_cycles, end_with_parent, harden
from vault_service.settings import Settings, load_settings
from vault_service.web.metrics import FaceMetrics


def services_of(parts: ConsoleParts, origin: str) -> Services:
    """What the pages call. `origin`: as browsers say it."""
    rule = parts.rule
    return Services(
        recovery=parts.recovery,
        sessions=Sessions(rule.idle_s, rule.absolute_s),
        intents=Intents(rule.intent_s),
        rule=rule,
        origin=origin,
        collections=parts.collections,
        audit_keys=parts.audit_keys,
        audit_records=parts.audit_records,
        cosigners=parts.cosigners,
        periods=parts.periods,
    )


def build(settings: Settings) -> Flask:
    """The application with everything it needs, and the listener for Prometheus beside it.

    Raises ConfigurationError.
    """
    configure_logging(settings.log_level)
    section = settings.console
    if section is None:
        raise missing("console")
    end_with_parent()
    harden()
    parts = build_console(settings)
    app = create_app(services_of(parts, section.origin))
    metrics = FaceMetrics.create("console")
    parts.recovery.kms.observe = metrics.kms_call
    metrics.watch_pool(parts.recovery.db.stats)
    observe(app, metrics)
    if section.metrics_port is not None:
        metrics.listen(section.metrics_port)
    collect_cycles()
    return app


def create() -> Flask:
    """The same from $VAULT_SETTINGS or $VAULT_HOME/vault.toml."""
    return build(load_settings())
