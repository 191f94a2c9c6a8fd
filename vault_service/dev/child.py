"""One supervised process: started, seen to be ready, ended with all it left, started again."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vault_service.dev import process
from vault_service.dev.process import User

_BACK_OFF_FIRST_S = 0.2
_BACK_OFF_MAX_S = 10.0
_STEADY_S = 30.0
_LOG_LIMIT = 16 << 20  # bytes; a larger log is put aside at the next start
_LAST_LINES = 15


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
    works_once: bool = False  # it ends with code 0 when its work is done, and the next one waits for more


class BackOff:
    """How long to wait before a process is started again."""

    def __init__(self) -> None:
        self._wait_s = 0.0

    def next_wait_s(self, ran_s: float) -> float:
        """None after the first end, then doubling; none again after it had run for a while."""
        if ran_s > _STEADY_S:
            self._wait_s = 0.0
        wait_s = self._wait_s
        self._wait_s = min(max(wait_s * 2, _BACK_OFF_FIRST_S), _BACK_OFF_MAX_S)
        return wait_s


class Child:
    """One process and its successors."""

    def __init__(self, spec: ChildSpec, logs: Path) -> None:
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self.popen: subprocess.Popen[bytes] | None = None
        self.pidfd = -1
        self.started = 0.0
        self.restart_at = 0.0
        self._back_off = BackOff()
        self._log_start = 0
        self._done = False

    def start(self) -> None:
        """Start it, or its successor."""
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
        """Send a signal, if it still runs."""
        if self.popen is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)

    def clear_away(self) -> str:
        """Kill what is left of its session's group, then let go of it; returns how it ended, in words."""
        if self.popen is None:
            return ""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        code = self.popen.wait()
        self._done = self.spec.works_once and code == 0
        self.popen = None  # first: a stop in between must not find a closed descriptor
        os.close(self.pidfd)
        return f"ended with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"

    @property
    def is_done(self) -> bool:
        """Whether its last end was the end of its work."""
        return self._done

    def schedule(self) -> None:
        """Set the time of the next start."""
        now = time.monotonic()
        if self._done:
            self.restart_at = now
            return
        self.restart_at = now + self._back_off.next_wait_s(now - self.started)

    def is_ready(self) -> bool:
        """Whether it says so and a probe agrees."""
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
