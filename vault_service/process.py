"""What each process that holds keys does to itself at start, so that its memory stays its own.

No core dumps, no ptrace by other processes of the same user, memory locked where the limits allow,
freed memory overwritten, an end together with the parent, and an end in good order when told so.
"""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Generator
from types import FrameType

from vault_service.domain.errors import ConfigurationError

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
# sys/mman.h
_MCL_CURRENT = 1
_MCL_FUTURE = 2

SCRUBBING = {
    # glibc overwrites what is freed (mallopt(3), M_PERTURB). Its per-thread cache would keep blocks
    # from being overwritten, and Python's own allocator would keep them from glibc. Huge pages, where the
    # kernel has them for whoever asks, take a quarter off the processor time of Argon2 at 64 MiB.
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0:glibc.malloc.hugetlb=1",
}


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def harden() -> None:
    """Switch off core dumps and ptrace; lock memory if there is no limit on it.

    An exec undoes the first two, so each process that holds keys calls this itself.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = _libc()
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise ConfigurationError(
            f"prctl(PR_SET_DUMPABLE): {os.strerror(ctypes.get_errno())}", remedy="Run on Linux."
        )
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        # With a limit, MCL_FUTURE would let a later allocation fail instead.
        libc.mlockall(_MCL_CURRENT | _MCL_FUTURE)


def end_with_parent() -> None:
    """Get SIGTERM when the parent process is gone, however it went; a kill -9 leaves no orphan serving."""
    parent = os.getppid()
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it went in between
        sys.exit("the parent process is gone")


@contextlib.contextmanager
def until_told_to_stop() -> Generator[threading.Event]:
    """An event that SIGTERM and SIGINT set, whatever the main thread is doing.

    A handler in Python would run in the main thread, perhaps between two steps of its own `wait` on
    that event, whose lock `set` then waits for without end. So the number comes through a pipe
    (signal.set_wakeup_fd) to a thread.
    """
    stop = threading.Event()
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)

    def listen() -> None:
        while os.read(told, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
            pass
        stop.set()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _go_on)
    yield stop


def _go_on(number: int, frame: FrameType | None) -> None:
    del number, frame  # with the default action the process would end at once


def scrub_freed_memory() -> None:
    """Start this program again with an allocator that overwrites what is freed, unless it is so already."""
    if all(os.environ.get(name) == value for name, value in SCRUBBING.items()):
        return
    os.execve(sys.executable, sys.orig_argv, {**os.environ, **SCRUBBING})  # noqa: S606  # ourselves


def collect_cycles(every_s: float = 1.0) -> None:
    """From now on have what only a cycle of references keeps freed, and so overwritten, soon.

    By itself Python may leave a request in such a cycle for hours. What exists already is not looked
    at again, so that a collection takes a few milliseconds.
    """

    def collect() -> None:
        while True:
            time.sleep(every_s)
            gc.collect()

    gc.collect()
    gc.freeze()
    threading.Thread(target=collect, name="collector", daemon=True).start()
