"""What users notice of a rotation: sign-ins and reads at a steady pace, at a rate and without one.

Slices of a few seconds in which the rotation is paused and in which it runs take turns, so that whatever
else the machine does is in both.

A whole vault runs, each process as in production, on whatever processors there are; so do PostgreSQL and
what signs in here. A time is taken from the moment when a request was due, not from when it was sent: a
vault that hangs for a second shows in everything that was due in that second. Argon2 is at the floor that
the code allows, so that a sign-in hides as little of the rest as it can.
"""

import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from benchmarks.rotation_home import Home
from benchmarks.rotation_people import add_people
from tests.rig.vault import Vault
from tests.rotation.under_way import Turning
from vault_service.client import UserSession, VaultApiError, VaultClient, VaultConnectionError
from vault_service.policy.load import load_policies

_PEOPLE = 20
_PASSWORD = "seven lamps over the quiet harbour {}"
_SLICE_S, _SETTLE_S = 5.0, 1.0
_SIGN_INS_A_SECOND, _READS_A_SECOND = 4.0, 40.0


@dataclass
class Phase:
    """How long requests took, in seconds, and what a rotation did meanwhile."""

    name: str
    seconds: float = 0.0
    users: int = 0  # looked at by the rotation
    sign_ins: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    refused: int = 0
    memory: dict[str, int] = field(default_factory=dict)  # KiB, by process: of the first or the last slice

    @property
    def users_a_second(self) -> float:
        return self.users / self.seconds


def p99_ms(times: list[float]) -> float:
    """Milliseconds."""
    return statistics.quantiles(times, n=100, method="inclusive")[98] * 1000


def measure(home: Home, users: int, *, rate: int | None, seconds: float) -> Iterator[Phase]:
    """For each rate the time without and with a rotation. `rate`: users a second; None: the policy's."""
    vault = home.vault
    with vault.keys.superuser() as conn, home.key_service() as service:
        row = conn.execute("SELECT count(*) FROM users").fetchone()
        add_people(conn, service, users - (int(str(row[0])) if row else 0))
    engine = load_policies(vault.home / "policies").rotation.engine
    rate = engine.rate if rate is None else rate
    try:
        vault.start_kms()
        vault.app_key = vault.create_app()
        vault.start_worker("records")
        vault.start_worker("keys")
        vault.start_api()
        with VaultClient(vault.api_url, app_key=vault.app_key) as client, Turning.of(vault, 0) as turning:
            load = _Load(client, [_newcomer(client, n) for n in range(_PEOPLE)])
            yield from _compared(load, turning, f"{rate:,} users/s at most", rate, engine.workers, seconds)
            yield from _compared(load, turning, "as fast as it goes", 0, engine.workers, seconds)
    finally:
        vault.stop_all()


def _newcomer(client: VaultClient, number: int) -> tuple[str, str, UserSession, Callable[[], object]]:
    login, password = f"load-{number}@example.org", _PASSWORD.format(number)
    client.sign_up(login, password)
    session = client.sign_in(login, password)
    record = session.records.create("contact", {"full_name": f"Person {number}"})
    return login, password, session, lambda: session.records.get(record.record_id)


def _compared(
    load: "_Load", turning: Turning, name: str, rate: int, workers: int, seconds: float
) -> Iterator[Phase]:
    """Slices in turn, of one rotation while it is paused and while it runs."""
    turning.new_key()
    turning.start(rate=rate, workers=workers)
    without, during = Phase("paused"), Phase(name)
    while during.seconds < seconds and turning.newest().state != "finished":
        turning.pause()
        time.sleep(_SETTLE_S)
        load.during(without, lambda: False)
        before = turning.resume(rate=rate).looked_at
        load.during(during, lambda: turning.newest().state != "running")
        during.users += turning.newest().looked_at - before
        during.memory = {name: _memory_kib(turning.vault, name) for name in ("kms", "worker_keys")}
        without.memory = without.memory or during.memory
    if turning.newest().state != "finished":
        turning.resume(rate=0)
        while turning.newest().state != "finished":
            time.sleep(0.5)
    yield without
    yield during


def _memory_kib(vault: Vault, name: str) -> int:
    """Resident set of a process."""
    status = Path(f"/proc/{vault.running[name].popen.pid}/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


@dataclass
class _Load:
    client: VaultClient
    people: list[tuple[str, str, UserSession, Callable[[], object]]]

    def during(self, phase: Phase, is_over: Callable[[], bool]) -> None:
        """A slice more of it, or until what goes on has ended."""
        stop, began = threading.Event(), time.perf_counter()
        signing_in = (
            lambda login=login, password=password: self.client.sign_in(login, password).sign_out()
            for login, password, _, _ in cycle(self.people)
        )
        reading = (read for _, _, _, read in cycle(self.people))
        with contextlib.ExitStack() as threads:
            for every, works, times in (
                (1 / _SIGN_INS_A_SECOND, signing_in, phase.sign_ins),
                (2 / _READS_A_SECOND, reading, phase.reads),
                (2 / _READS_A_SECOND, cycle(read for *_, read in self.people), phase.reads),
            ):
                thread = threading.Thread(target=_steadily, args=(every, works, times, phase, stop))
                thread.start()
                threads.callback(thread.join)
            threads.callback(stop.set)
            while time.perf_counter() - began < _SLICE_S and not is_over():
                time.sleep(0.2)
        phase.seconds += time.perf_counter() - began


def _steadily(
    every_s: float,
    works: Iterator[Callable[[], object]],
    times: list[float],
    phase: Phase,
    stop: threading.Event,
) -> None:
    due = time.perf_counter()
    while not stop.is_set():
        due += every_s
        time.sleep(max(0.0, due - time.perf_counter()))
        try:
            next(works)()
        except (VaultApiError, VaultConnectionError):
            phase.refused += 1
        times.append(time.perf_counter() - due)
