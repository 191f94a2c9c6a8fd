"""Keep a set of processes running until told to stop.

Rules:
- Processes of one stage start together; the next stage starts when all of this one are ready.
- A process that dies before it was ever ready ends the start, with the last lines of its log.
- A process that dies later is started again: at once, then after 0.2 s, doubling up to 10 s, and at
  once again when it had been running for half a minute.
- Stopping goes stage by stage in reverse: each process gets its stop signal, then those that have
  not ended in time are killed. What a process left behind in its session is killed with it.
- Whatever happens to us, the kernel ends the children (see dev/process.py).
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from vault_service.dev import process
from vault_service.dev.process import User
from vault_service.domain.errors import ConfigurationError

_BACK_OFF_FIRST_S = 0.2
_BACK_OFF_MAX_S = 10.0
_STEADY_S = 30.0
_POLL_S = 0.05
_ALL_READY_S = 30.0
_LOG_LIMIT = 16 << 20  # bytes; a larger log is put aside at the next start
_LAST_LINES = 15


class StopRequested(BaseException):  # not an error, and no handler of errors may catch it
    """SIGTERM or SIGINT came."""


class ChildFailedError(ConfigurationError):
    """A process of the vault ended, or was not ready in time."""

    code = "dev.child_failed"
    remedy = "Read its log; vaultctl doctor checks what is usually wrong."


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process: what to run, as whom, and how to see that it works."""

    name: str
    argv: Sequence[str]
    user: User
    stage: int
    is_ready: Callable[[], bool] = lambda: True
    announces: str = ""  # what its log must say before it is taken to be ready
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    before_start: Callable[[], None] = lambda: None  # clears what a killed predecessor left
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    start_timeout_s: float = 30.0
    stop_timeout_s: float = 4.0


class _Child:
    """One process and its successors."""

    def __init__(self, spec: ChildSpec, logs: Path) -> None:
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self.popen: subprocess.Popen[bytes] | None = None
        self.pidfd = -1
        self.back_off_s = 0.0
        self.started = 0.0
        self.restart_at = 0.0
        self._log_start = 0

    def start(self) -> None:
        self.spec.before_start()
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch(0o600)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            popen = process.start(
                self.spec.argv,
                user=self.spec.user,
                output=output,
                environment=self.spec.environment,
                death_signal=self.spec.death_signal,
            )
        self.pidfd = os.pidfd_open(popen.pid)
        self.started = time.monotonic()
        self.popen = popen  # last: a stop in between leaves it to the kernel, which ends it with us

    def has_ended(self) -> bool:
        """Whether it ended; it stays a zombie, so that its id cannot be another's yet."""
        if self.popen is None:
            return True
        return bool(select.select([self.pidfd], [], [], 0)[0])

    def send(self, number: signal.Signals) -> None:
        if self.popen is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)

    def clear_away(self) -> None:
        """Kill what is left of its session's group, then let go of it."""
        if self.popen is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        os.close(self.pidfd)
        self.popen = None

    def schedule(self) -> None:
        """Set the time of the next start."""
        if time.monotonic() - self.started > _STEADY_S:
            self.back_off_s = 0.0
        self.restart_at = time.monotonic() + self.back_off_s
        self.back_off_s = min(max(self.back_off_s * 2, _BACK_OFF_FIRST_S), _BACK_OFF_MAX_S)

    def is_ready(self) -> bool:
        return self.spec.announces in self._said() and self.spec.is_ready()

    def _said(self) -> str:
        """What it wrote since its start."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def last_lines(self) -> str:
        """The end of what it wrote."""
        lines = self._said().splitlines()
        return "\n".join(f"  {self.spec.name}: {line}" for line in lines[-_LAST_LINES:])


class Supervisor:
    """Starts, watches and stops processes; use within `stop_signals`."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[_Child] = []

    def pids(self) -> dict[str, int]:
        """Name -> process id of those that run, and our own as `supervisor`."""
        running = {c.spec.name: c.popen.pid for c in self._children if c.popen is not None}
        return {"supervisor": os.getpid(), **running}

    def start(self, *specs: ChildSpec) -> None:
        """Start processes and wait until all are ready; raises ChildFailedError."""
        for stage in sorted({spec.stage for spec in specs}):
            children = [_Child(spec, self._logs) for spec in specs if spec.stage == stage]
            for child in children:
                self._children.append(child)
                child.start()
            for child in children:
                self._await_ready(child)

    def _await_ready(self, child: _Child) -> None:
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
            time.sleep(_POLL_S)

    def watch(self, *, all_ready: Callable[[], bool], announce: Callable[[Mapping[str, int]], None]) -> None:
        """Start again what dies, and announce the process ids whenever all is ready; until StopRequested."""
        announced = False
        while True:
            if self._restart_due():
                announced = False
            if not announced and not self._missing() and all_ready():
                announce(self.pids())
                announced = True
            select.select(self._running_pidfds(), [], [], self._patience_s(announced))
            for child in self._children:
                if child.popen is not None and child.has_ended():
                    child.clear_away()
                    child.schedule()
                    announced = False

    def _missing(self) -> list[_Child]:
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
        return min(starts, default=_POLL_S * 2)

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
