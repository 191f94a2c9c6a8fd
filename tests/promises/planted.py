"""Find planted values in whatever form somebody might store them by mistake."""

import base64
import hashlib
from collections.abc import Iterable

_HASHES = ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s")
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")


def _plain(planted: str) -> set[bytes]:
    return {
        text.encode(encoding)
        for text in (planted, planted.casefold(), planted.upper())
        for encoding in _ENCODINGS
    }


def _base64(data: bytes) -> set[bytes]:
    """What stands there wherever in a longer text it begins: the characters that depend on nothing else."""
    found: set[bytes] = set()
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        whole = (8 * (shift + len(data))) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(bytes(shift) + data)[first:whole])
    return found


class Planted:
    """Values to look for; `people` are looked for as hashes as well, which need the whole value."""

    def __init__(self, values: Iterable[str], people: Iterable[str] = ()) -> None:
        values = tuple(values)
        self._spellings: dict[bytes, str] = {}
        for value in values:
            for data in _plain(value):
                for spelling in {
                    data,
                    data.hex().encode(),
                    base64.b32encode(data).rstrip(b"="),
                    *_base64(data),
                }:
                    self._spellings[spelling.lower()] = value
        # A hash without a key is tried out within seconds.
        self._hashes: dict[bytes, str] = {}
        for value in (*values, *people):
            for data in _plain(value):
                for name in _HASHES:
                    digest = hashlib.new(name, data).digest()
                    for form in (digest, digest[:16], digest.hex().encode(), base64.b64encode(digest)):
                        self._hashes[form] = value

    def found_in(self, stored: bytes) -> set[str]:
        """Which of them are in a column's bytes."""
        lower = stored.lower()
        found = {value for spelling, value in self._spellings.items() if spelling in lower}
        if stored in self._hashes:
            found.add(self._hashes[stored])
        return found
