"""Make SoftHSM hang for real: it waits without end for locks on its token's files."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_PROGRAM = """
import fcntl, pathlib, sys
files = [path.open("r+b") for path in pathlib.Path(sys.argv[1]).iterdir()]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def all_files_locked(folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """By another process, for as long as it lives: a process's own locks would let it through."""
    locker = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert locker.stdout is not None
        assert locker.stdout.readline() == b"locked\n"
        yield locker
    finally:
        locker.kill()
        locker.communicate()
