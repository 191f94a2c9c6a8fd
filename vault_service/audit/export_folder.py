"""The folder of an export: private, appended to, and whole only when its MANIFEST is there.

An export that was killed goes on where it was: whole lines stay, a torn last one is cut off, and the
MANIFEST, which is taken away first, comes back last and at once.
"""

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from vault_service.audit.line_file import Lines
from vault_service.domain.errors import ConfigurationError
from vault_service.durable import sync

MANIFEST = "MANIFEST"
KEY_FILE = "audit.vkey"
_NEW = ".new"  # of a file that takes its name when it is whole
_CHUNK = 1 << 20
_OURS = re.compile(
    r"""( MANIFEST | audit\.vkey | (keys|records)/(events|checkpoints|held)\.jsonl | (keys|records)/checkpoint
        | (keys|records)/tile/[0-9]{1,2}/(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]{1,3})? ) (\.new)?""",
    re.VERBOSE,
)


class ExportRefusedError(ConfigurationError):
    """The folder cannot take this export."""

    code = "audit.export_refused"
    remedy = "Name a new folder; keep the old one if its export once was sound: it may be evidence."


class ExportFolder:
    """One export; for one process at a time."""

    def __init__(self, root: Path) -> None:
        """Make the folder (0700), or open one that holds nothing but an export. Raises ExportRefusedError."""
        self.root = root
        with _refusing(root):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in _files(root):
                if path.is_symlink() or not _OURS.fullmatch(path.relative_to(root).as_posix()):
                    raise ExportRefusedError(f"{path} is no part of an export")
            root.chmod(0o700)

    @contextlib.contextmanager
    def begun(self) -> Generator[None]:
        """From here on the export is not whole, and nobody else's. Raises ExportRefusedError."""
        with _refusing(self.root), _locked(self.root):
            (self.root / MANIFEST).unlink(missing_ok=True)
            sync(self.root)
            for path in _files(self.root):
                if path.name.endswith(_NEW):
                    path.unlink()
            yield

    def read(self, name: str) -> bytes | None:
        """A small file, None when it is not there."""
        with _refusing(self.root), contextlib.suppress(FileNotFoundError):
            return (self.root / name).read_bytes()
        return None

    def has(self, name: str, size: int) -> bool:
        """Whether a file of so many bytes is there."""
        try:
            return (self.root / name).stat().st_size == size
        except OSError:
            return False

    def write(self, name: str, content: bytes) -> None:
        """A small file, whole or not at all."""
        path = self.root / name
        with _refusing(self.root):
            self._make_folders(path.parent)
            with _open(path.with_name(path.name + _NEW), os.O_CREAT | os.O_TRUNC) as file:
                file.write(content)
            path.with_name(path.name + _NEW).replace(path)

    @contextlib.contextmanager
    def lines(self, name: str) -> Generator[Lines]:
        """A file of lines to append to. Raises ExportRefusedError when the disk does not take them."""
        path = self.root / name
        with _refusing(self.root):
            self._make_folders(path.parent)
            with _open(path, os.O_CREAT) as file:
                yield Lines(file)

    def keep_partial_tiles(self, log: str, kept: Iterable[str]) -> None:
        """Remove the partial tiles of an older size: all but these paths."""
        wanted = {self.root / path for path in kept}
        with _refusing(self.root):
            for path in list(_files(self.root / log)):
                if path.parent.name.endswith(".p") and path not in wanted:
                    path.unlink()
                    with contextlib.suppress(OSError):
                        path.parent.rmdir()

    def finish(self, tick: Callable[[int], None]) -> int:
        """Write MANIFEST over all files; `tick` gets the bytes read. Returns how many files there are."""
        with _refusing(self.root):
            digests: list[bytes] = []
            for path in _files(self.root):
                name = os.fsencode(path.relative_to(self.root))
                digests.append(_sha256(path, tick).encode() + b"  " + name + b"\n")
            os.sync()  # an fsync for each of very many tiles would take minutes
            self.write(MANIFEST, b"".join(sorted(digests)))
            sync(self.root / MANIFEST)
            sync(self.root)
        return len(digests)

    def _make_folders(self, folder: Path) -> None:
        if not folder.is_dir():  # mkdir gives its mode to the last one only
            self._make_folders(folder.parent)
            folder.mkdir(mode=0o700)

    def size(self) -> int:
        """Bytes in all files."""
        return sum(path.stat().st_size for path in _files(self.root))


def _files(root: Path) -> Iterator[Path]:
    """Every file, and whatever else is no folder."""
    for place, folders, files in os.walk(root):
        for name in folders:
            if Path(place, name).is_symlink():
                yield Path(place, name)
        for name in files:
            yield Path(place, name)


def _open(path: Path, flags: int) -> BinaryIO:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
    return os.fdopen(descriptor, "r+b")


def _sha256(path: Path, tick: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            tick(len(chunk))
    return digest.hexdigest()


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """A lock on the folder itself: a lock file would be a file that no MANIFEST names."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ExportRefusedError(f"another export is writing to {folder}") from None
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _refusing(root: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ExportRefusedError(f"{error.filename or root}: {error.strerror}") from error
