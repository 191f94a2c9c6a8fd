"""The console put together, as its server loads it."""

from flask import Flask

from vault_service.bootstrap.connections import missing
from vault_service.bootstrap.console import ConsoleParts, build_console
from vault_service.console.app import create_app
from vault_service.console.intents import Intents
from vault_service.console.services import Services
from vault_service.console.sessions import Sessions
from vault_service.settings import Settings


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
    """Raises ConfigurationError."""
    section = settings.console
    if section is None:
        raise missing("console")
    return create_app(services_of(build_console(settings), section.origin))
