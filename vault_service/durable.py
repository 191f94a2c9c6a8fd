"""What files of our own need to outlive a crash and a power failure."""

import os
from pathlib import Path
from typing import BinaryIO


def sync(path: Path) -> None:
    """Bring a file, or a folder with the names in it, to disk.

    A new file outlives a power failure only once its folder is synced as well: fsync(2). Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_whole(path: Path, content: bytes, *, by: str = "") -> None:
    """A private file (0600) with this content, on disk when this returns; before that the old one, whole.

    `by`: names the writer where several may write at once, so that none tears another's. Raises OSError.
    """
    beside = path.with_name(f"{path.name}{by}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    if os.geteuid() == 0:
        # What already has that name may be a link of the folder's owner to a file of root's.
        beside.unlink(missing_ok=True)
        flags |= os.O_EXCL
    descriptor = os.open(beside, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        give_to_owner(descriptor, path.parent)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync(path.parent)


def give_to_owner(descriptor: int, folder: Path) -> None:
    """A file that root opens in a process's folder is that process's, which else could not open it any more.

    Not one that has another name as well, which may be anybody's. Raises OSError.
    """
    if os.geteuid() == 0 and os.fstat(descriptor).st_nlink == 1:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def cut_torn_line(file: BinaryIO, longest: int) -> None:
    """Cut off what a crash left of a last line: it would make one nonsense line with the next.

    `longest`: more bytes than a line has. Raises OSError.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - longest))
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)


def append_line(path: Path, line: bytes, longest: int) -> os.stat_result:
    """Add a whole line; it is on disk when this returns. Gives the file as it is then. Raises OSError."""
    with path.open("a+b") as file:
        is_new = file.seek(0, os.SEEK_END) == 0
        cut_torn_line(file, longest)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
        written = os.fstat(file.fileno())
    if is_new:
        sync(path.parent)
    return written
