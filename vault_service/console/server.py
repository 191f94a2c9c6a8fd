"""Run the officers' web console."""

from functools import partial

from vault_service.bootstrap.connections import missing
from vault_service.bootstrap.console import check_console
from vault_service.console.wsgi import build
from vault_service.logs import configure_logging
from vault_service.process import scrub_freed_memory
from vault_service.settings import Settings
from vault_service.web.listening import refuse_clear_text, see_that_it_can_listen, see_that_it_is_free
from vault_service.web.server import serve

_METRICS_HOST = "127.0.0.1"


def run(settings: Settings) -> None:
    """Serve until SIGTERM; requests that are under way finish. Raises ConfigurationError."""
    console = settings.console
    if console is None:
        raise missing("console")
    refuse_clear_text(console, "console")
    scrub_freed_memory()
    configure_logging(settings.log_level)
    check_console(settings)
    if console.metrics_port is not None:
        see_that_it_is_free(_METRICS_HOST, console.metrics_port, "console.metrics_port")
    see_that_it_can_listen(console, "console")
    serve(console, partial(build, settings), name="console")
