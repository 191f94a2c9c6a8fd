"""Keep a set of processes running until told to stop.

Rules:
- Processes of one stage start together; the next stage starts when all of this one are ready.
- A process that dies before it was ever ready ends the start, with the last lines of its log.
- A process that dies later is started again: at once, then after 0.2 s, doubling up to 10 s, and at
  once again when it had been running for half a minute. One that ends well since its work is done,
  such as a ceremony, is followed by the next at once, however often.
- Stopping goes stage by stage in reverse: each process gets its stop signal, then those that have
  not ended in time are killed. What a process left behind in its session is killed with it.
- Whatever happens to us, the kernel ends the children (see dev/process.py).
"""

import os
import select
import signal
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from vault_service.dev.child import Child, ChildSpec
from vault_service.domain.errors import ConfigurationError, UnavailableError

_POLL_S = 0.05
_LOOK_S = 0.2  # each look at the whole is a request, and a line in a log
_ALL_READY_S = 30.0


class StopRequested(BaseException):  # not an error, and no handler of errors may catch it
    """SIGTERM or SIGINT came."""


class ChildFailedError(ConfigurationError):
    """A process of the vault ended, or was not ready in time."""

    code = "dev.child_failed"
    remedy = "Read its log; vaultctl doctor checks what is usually wrong."


class Supervisor:
    """Starts, watches and stops processes; use within `stop_signals`."""

    def __init__(self, logs: Path, say: Callable[[str], None] = lambda _: None) -> None:
        self._logs = logs
        self._say = say
        self._children: list[Child] = []

    def pids(self) -> dict[str, int]:
        """Name -> process id of those that run, and our own as `supervisor`."""
        running = {c.spec.name: c.popen.pid for c in self._children if c.popen is not None}
        return {"supervisor": os.getpid(), **running}

    def start(self, *specs: ChildSpec) -> None:
        """Start processes and wait until all are ready; raises ChildFailedError."""
        for stage in sorted({spec.stage for spec in specs}):
            children = [Child(spec, self._logs) for spec in specs if spec.stage == stage]
            for child in children:
                self._children.append(child)
                child.start()
            for child in children:
                self._await_ready(child)

    def _await_ready(self, child: Child) -> None:
        deadline = time.monotonic() + child.spec.start_timeout_s
        while not child.is_ready():
            if child.has_ended():
                raise ChildFailedError(f"{child.spec.name} ended at its start:\n{child.last_lines()}")
            if time.monotonic() > deadline:
                raise ChildFailedError(
                    f"{child.spec.name} was not ready within {child.spec.start_timeout_s:.0f} s:\n"
                    f"{child.last_lines()}"
                )
            time.sleep(_POLL_S)

    def await_all(self, all_ready: Callable[[], bool]) -> None:
        """Wait until the whole can be used; raises ChildFailedError when a process ends or time is up."""
        deadline = time.monotonic() + _ALL_READY_S
        while not all_ready():
            for child in self._children:
                if child.has_ended():
                    raise ChildFailedError(f"{child.spec.name} ended:\n{child.last_lines()}")
            if time.monotonic() > deadline:
                said = "\n".join(child.last_lines() for child in self._children)
                raise ChildFailedError(f"the vault was not ready within {_ALL_READY_S:.0f} s:\n{said}")
            time.sleep(_LOOK_S)

    def watch(self, *, all_ready: Callable[[], bool], announce: Callable[[Mapping[str, int]], None]) -> None:
        """Start again what dies, and announce the process ids whenever all is ready; until StopRequested.

        An `announce` that raises UnavailableError is called again: something died meanwhile.
        """
        announced = False
        while True:
            if self._restart_due():
                announced = False
            if not announced and not self._missing() and all_ready():
                with suppress(UnavailableError):
                    announce(self.pids())
                    announced = True
            select.select(self._running_pidfds(), [], [], self._patience_s(announced))
            for child in self._children:
                if child.popen is not None and child.has_ended():
                    how = child.clear_away()
                    child.schedule()
                    announced = False
                    if not child.is_done:
                        self._say(f"{child.spec.name} {how}, and is started again; its log: {child.log}")

    def _missing(self) -> list[Child]:
        return [child for child in self._children if child.popen is None]

    def _running_pidfds(self) -> list[int]:
        return [child.pidfd for child in self._children if child.popen is not None]

    def _restart_due(self) -> bool:
        due = [child for child in self._missing() if child.restart_at <= time.monotonic()]
        for child in due:
            child.start()
        return bool(due)

    def _patience_s(self, announced: bool) -> float | None:
        """How long to wait for a child's end: until the next start or the next look, or for ever."""
        if announced:
            return None
        starts = [max(0.0, child.restart_at - time.monotonic()) for child in self._missing()]
        return min(starts, default=_LOOK_S)

    def stop(self) -> None:
        """Stop all, last stage first; ends in bounded time whatever they do."""
        for stage in sorted({child.spec.stage for child in self._children}, reverse=True):
            children = [child for child in self._children if child.spec.stage == stage]
            for child in children:
                child.send(child.spec.stop_signal)
            began = time.monotonic()
            for child in children:
                while not child.has_ended() and time.monotonic() < began + child.spec.stop_timeout_s:
                    time.sleep(_POLL_S / 5)
                child.clear_away()


@contextmanager
def stop_signals() -> Generator[None]:
    """Turn the first SIGTERM, SIGINT or SIGHUP into StopRequested; later ones do not disturb the stopping."""
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup make run
        numbers.append(signal.SIGHUP)

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise StopRequested

    before = {number: signal.signal(number, request_stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
