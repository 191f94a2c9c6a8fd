"""The keys side's messages about cases, and its figures, put together from the settings."""

import contextlib
from collections.abc import Generator, Sequence
from functools import partial

from prometheus_client import CollectorRegistry

from vault_service.bootstrap.connections import connect
from vault_service.domain.errors import ConfigurationError
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.connect import Outbound, client_context
from vault_service.outbound.signature import signing_key
from vault_service.outbound.url import HttpsUrl
from vault_service.policy.rules import Policies
from vault_service.recovery.figures import RecoveryFigures
from vault_service.recovery.notices import NoticeLoop, NoticeReceiver
from vault_service.settings import Notice, Worker, read_secret
from vault_service.storage.keys.notices import vault_began
from vault_service.storage.pool import Database
from vault_service.worker import Task

_FIGURES_EVERY_S = 10.0


def notice_receivers(notices: Sequence[Notice], outbound: Outbound) -> tuple[NoticeReceiver, ...]:
    """Raises ConfigurationError, OutboundRefusedError: before anything is sent."""
    return tuple(_receiver(each, outbound) for each in notices)


def _receiver(notice: Notice, outbound: Outbound) -> NoticeReceiver:
    url = HttpsUrl.parse(notice.url)
    outbound.check_literal(url.host)
    key = partial(read_secret, notice.hmac_key_file)
    signing_key(key())  # a missing file, or a key that could be guessed, shows at the start
    return NoticeReceiver(url, client_context(ca=notice.ca), key, notice.app)


@contextlib.contextmanager
def notices_sent(worker: Worker, policies: Policies) -> Generator[None]:
    """Messages have a connection and a thread of their own: the worker never waits for a receiver."""
    outbound = Outbound(AddressPolicy(policies.outbound.allow))
    receivers = notice_receivers(worker.notices, outbound)
    db = connect(worker.database, size=1, name="notices")
    loop = NoticeLoop(db, outbound, receivers)
    loop.start()
    try:
        yield
    finally:
        loop.stop()
        db.close()


def figures_task(db: Database, policies: Policies, registry: CollectorRegistry) -> Task:
    """Keeps the gauges of cases and drills."""
    figures: list[RecoveryFigures] = []

    def update() -> None:
        if not figures:
            with db.connection() as conn:
                began = vault_began(conn)
            if began is None:
                raise ConfigurationError("the keys database holds no manifest", remedy="Run vaultctl init.")
            figures.append(RecoveryFigures(db, policies.recovery.drill, registry, began=began))
        figures[0].update()

    return Task("recovery_figures", _FIGURES_EVERY_S, update)
