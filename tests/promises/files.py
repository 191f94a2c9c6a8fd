"""Files of a host as somebody finds them who copies all that lies there while its processes are at work."""

import contextlib
import math
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path


def contents(
    paths: Iterable[Path], *, since: float = 0.0, largest: float = math.inf
) -> Iterator[tuple[Path, bytes]]:
    """Of those that are regular files, and there: one may be taken away or replaced at any moment."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            about = path.lstat()
            if stat.S_ISREG(about.st_mode) and about.st_mtime > since and about.st_size < largest:
                yield path, path.read_bytes()
