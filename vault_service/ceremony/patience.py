"""Long work goes on when the key service, its token or its database was away for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from vault_service.ceremony.parts import CeremonyParts
from vault_service.domain.errors import UnavailableError
from vault_service.domain.recovery_errors import CeremonyBusyError

_T = TypeVar("_T")
_log = structlog.get_logger("ceremony")

_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # the last goes on


def patiently(parts: CeremonyParts, call: Callable[[], _T]) -> _T:
    """The answer to something that may be asked again. Raises UnavailableError after `parts.patience_s`."""
    deadline = time.monotonic() + parts.patience_s
    for number in range(10**9):
        try:
            return call()
        except CeremonyBusyError:  # the case is another ceremony's
            raise
        except UnavailableError as error:
            if time.monotonic() > deadline:
                raise
            _log.warning("ceremony.waits", code=error.code)
        time.sleep(_PAUSES_S[min(number, len(_PAUSES_S) - 1)])
    raise AssertionError("not reached")
