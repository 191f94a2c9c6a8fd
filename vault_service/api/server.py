"""Run the public API."""

from functools import partial

from vault_service.api.wsgi import build
from vault_service.bootstrap.api import check_accounts
from vault_service.bootstrap.connections import missing
from vault_service.logs import configure_logging
from vault_service.process import scrub_freed_memory
from vault_service.settings import Settings
from vault_service.web.listening import refuse_clear_text, see_that_it_can_listen, see_that_it_is_free
from vault_service.web.server import serve

_METRICS_HOST = "127.0.0.1"


def run(settings: Settings) -> None:
    """Serve until SIGTERM; requests that are under way finish. Raises ConfigurationError."""
    api = settings.api
    if api is None:
        raise missing("api")
    refuse_clear_text(api, "api")
    scrub_freed_memory()
    configure_logging(settings.log_level)
    check_accounts(settings)
    see_that_it_is_free(_METRICS_HOST, api.metrics_port, "api.metrics_port")
    see_that_it_can_listen(api, "api")
    serve(api, partial(build, settings), name="api")
