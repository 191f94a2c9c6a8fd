"""A disk that can be filled: a tmpfs of a test's own."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """Mounted at `folder`."""

    folder: Path

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Down to the last page; at the end somebody makes room."""
        ballast = self.folder / "ballast"
        try:
            with ballast.open("ab", buffering=0) as file:
                for chunk in (1 << 20, 1 << 12):
                    _write_until_full(file, chunk)
            yield
        finally:
            ballast.unlink()


def _write_until_full(file: RawIOBase, chunk: int) -> None:
    try:
        while True:
            file.write(bytes(chunk))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[SmallDisk]:
    """An empty one; skips the test where nothing can be mounted (needs root)."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    options = f"size={size},mode=0755"
    made = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        check=False, capture_output=True, timeout=10,
    ).returncode == 0  # fmt: skip
    if not made:
        pytest.skip("no file system can be mounted here: needs root")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)
