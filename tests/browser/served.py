"""The officers' console as it is served, over a vault whose officers and ceremonies are at work."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from playwright.sync_api import BrowserContext
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.ceremony.office import Office, office_of
from tests.rig.vault import Vault, settings_of
from vault_service.bootstrap.console import build_console
from vault_service.console.app import create_app
from vault_service.console.services import Services
from vault_service.console.wsgi import services_of
from vault_service.recovery.parts import RecoveryParts


@dataclass
class Console:
    """Listens on localhost, in a thread of this process: `services` are those that its pages call."""

    url: str  # http://localhost:PORT, which is also its origin
    services: Services
    office: Office

    @property
    def vault(self) -> Vault:
        return self.office.vault

    @property
    def parts(self) -> RecoveryParts:
        return self.services.recovery

    def sign_in(self, context: BrowserContext, officer: UUID, authenticator: UUID) -> None:
        """Give a browser a session of this officer's without the page that asks for the passkey."""
        value, _ = self.services.sessions.begin(officer, authenticator)
        context.add_cookies(
            [
                {
                    "name": self.services.sessions.cookie,
                    "value": value,
                    "url": self.url.replace("http:", "https:"),  # Playwright's condition for Secure
                    "httpOnly": True,
                    "secure": True,
                    "sameSite": "Strict",
                }
            ]
        )


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextlib.contextmanager
def served_console(vault: Vault) -> Iterator[Console]:
    """The console of a running vault."""
    settings = settings_of(vault)
    assert settings.console is not None
    parts = build_console(settings)
    services = services_of(parts, settings.console.origin)
    server = make_server(
        "127.0.0.1", settings.console.port, create_app(services), threaded=True, request_handler=_Quiet
    )
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        with office_of(vault) as office:
            yield Console(settings.console.origin, services, office)
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
        for db in (parts.recovery.db, parts.audit_keys, parts.audit_records):
            if db is not None:
                db.close()
        parts.recovery.kms.close()
