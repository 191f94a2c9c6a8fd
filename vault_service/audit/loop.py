"""Seal one log for as long as the worker runs: a thread that nothing else of the worker holds up."""

import threading

import structlog

from vault_service.audit.errors import CheckpointFileError, OlderDatabaseError, OlderKeyServiceError
from vault_service.audit.sealing import Sealer
from vault_service.domain.errors import ConfigurationError, VaultError
from vault_service.logs import Repeated
from vault_service.storage.audit.wakeups import Wakeups

_log = structlog.get_logger("sealing")
_LEAST_S = 0.2  # between two turns: whoever may NOTIFY must not keep the token and the witnesses busy
_MOST_S = 10.0  # between two tries
_FATAL = (OlderDatabaseError, OlderKeyServiceError, CheckpointFileError)


class SealingLoop:
    """Turns, and the waits between them."""

    def __init__(self, sealer: Sealer, wakeups: Wakeups, interval_s: float) -> None:
        self._sealer, self._wakeups, self._interval_s = sealer, wakeups, interval_s
        self._is_checked = False
        self._failures = 0  # in a row
        self._said = Repeated()
        self._refusal: ConfigurationError | None = None

    def run(self, stop: threading.Event) -> None:
        """Until told to stop, or the database is refused at the start: then tells everybody to stop."""
        asked, delay = False, 0.0
        try:
            while not stop.is_set():
                if delay:
                    asked = self._wakeups.wait(delay, stop) or asked
                try:
                    if not self._is_checked:
                        self._sealer.check_start()
                        self._is_checked = True
                    more = self._sealer.turn(asked=asked)
                except VaultError as error:
                    if not self._is_checked and isinstance(error, _FATAL):
                        self._refusal = error
                        return
                    delay = self._failed(error)
                    stop.wait(_LEAST_S)  # NOTIFY cuts the delay short, and refusals may leave events
                    continue
                self._failures = 0
                if count := self._said.over():
                    _log.info("sealing.goes_on", n=count)
                asked, delay = False, 0.0 if more else self._interval_s
                stop.wait(0.0 if more else _LEAST_S)
        finally:
            self._wakeups.close()
            stop.set()  # a worker that does not seal must not look alive

    def raise_refusal(self) -> None:
        """After the end: raises what refused the database at the start."""
        if self._refusal is not None:
            raise self._refusal

    def _failed(self, error: VaultError) -> float:
        """Count it, say it now and then, and wait longer each time (seconds)."""
        self._failures += 1
        if (count := self._said.failed(error.code)) is not None:
            _log.warning("sealing.failed", code=error.code, n=count)
        self._sealer.figures.failed(error.code)
        return min(_MOST_S, self._interval_s * (1 << min(self._failures, 6)))
