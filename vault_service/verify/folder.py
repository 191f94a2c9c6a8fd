"""The files of an export: exactly those that MANIFEST names, byte for byte."""

import hashlib
import os
import re
from pathlib import Path

from vault_service.verify.findings import Report, UnreadableError, shown

_CHUNK = 1 << 20
_MOST = 8 << 20  # bytes; more than any file that is read whole may have
_UNPACK = "Name an export's folder; unpack a ZIP archive first, and name the folder vault-audit in it."
_LINE = re.compile(rb"([0-9a-f]{64})  ([^\n]+)")


class Folder:
    """An export that was walked once; only regular files that were found then are ever opened.

    MANIFEST's paths are compared, never followed: one that leads out of the folder opens nothing.
    """

    def __init__(self, root: Path, report: Report) -> None:
        self._root = root
        self._report = report
        self.files: dict[str, bytes] = {}  # path from the root -> hex SHA-256
        try:
            self._walk()
        except OSError as error:
            raise UnreadableError(f"the export cannot be read: {error}", _UNPACK) from None
        if "MANIFEST" not in self.files:
            raise UnreadableError("there is no MANIFEST: this is no export, or one that broke off", _UNPACK)
        self._check_manifest()

    def read(self, path: str, most: int = _MOST) -> bytes | None:
        """A file's bytes, None if there is none. One that is larger is cut, and so has not the right form:
        a file of many gigabytes, which costs its writer nothing, must not take the auditor's memory.
        """
        if path not in self.files:
            return None
        with (self._root / path).open("rb") as file:
            return file.read(most)

    def path(self, path: str) -> Path | None:
        """Where a file is, None if there is none."""
        return self._root / path if path in self.files else None

    def unexpected(self, expected: set[str]) -> None:
        """Find what is there and belongs to no export, whether or not MANIFEST names it."""
        for path in sorted(self.files.keys() - expected):
            self._find("file.unnamed", "no file of an export has this name", os.fsencode(path))

    def _walk(self) -> None:
        inside = [""]
        while inside:
            folder = inside.pop()
            with os.scandir(self._root / folder) as entries:
                for entry in entries:
                    path = folder + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        inside.append(path + "/")
                    elif entry.is_file(follow_symlinks=False):
                        self.files[path] = self._digest(path)
                    else:
                        what = "a link or a special file, never part of an export"
                        self._report.find("file.unnamed", what, file=shown(path))

    def _digest(self, path: str) -> bytes:
        digest, last = hashlib.sha256(), b"\n"
        with (self._root / path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                last = chunk[-1:]
        if last != b"\n" and path.split("/")[1:2] != ["tile"]:
            self._report.find("file.last_newline", "the last newline is missing", file=shown(path))
        return digest.hexdigest().encode()

    def _check_manifest(self) -> None:
        named = {os.fsencode(path): digest for path, digest in self.files.items() if path != "MANIFEST"}
        remade = b"".join(sorted(b"%s  %s\n" % (digest, path) for path, digest in named.items()))
        manifest = self.read("MANIFEST", len(remade) + _MOST) or b""
        if manifest == remade:
            return
        seen: dict[bytes, bytes] = {}
        lines = manifest.removesuffix(b"\n").split(b"\n") if manifest else []
        for number, line in enumerate(lines, 1):
            match = _LINE.fullmatch(line)
            if not match or _strange(match[2]) or match[2] in seen:
                self._find("manifest.form", f"line {number} is no `sha256  path` of its own", b"MANIFEST")
                continue
            digest, path = match[1], match[2]
            seen[path] = digest
            if path not in named:
                self._find("file.missing", "MANIFEST names it, and it is not there", path)
            elif named[path] != digest:
                self._find("file.altered", "its SHA-256 is not the one in MANIFEST", path)
        if lines != sorted(lines):
            self._find("manifest.form", "its lines are not sorted", b"MANIFEST")
        for path in sorted(named.keys() - seen.keys()):
            self._find("file.unnamed", "MANIFEST does not name it", path)

    def _find(self, name: str, what: str, path: bytes) -> None:
        self._report.find(name, what, file=shown(os.fsdecode(path)))


def _strange(path: bytes) -> bool:
    """Absolute, leading out, written in two ways, or MANIFEST itself."""
    parts = path.split(b"/")
    return (
        any(part in (b"", b".", b"..") for part in parts)
        or b"\\" in path
        or b"\r" in path
        or path == b"MANIFEST"
    )
