"""Sealed shares that an officer's host keeps beside the database: a restored older one locks nobody out.

Still sealed to the officer: whoever copies the folder has nothing. Kept are the two newest of all, and
the two newest that a ceremony's note has named: anybody can seal rubbish to an officer, and a flood of it
under high numbers would push out what the officer really holds; a note needs the key service's signature.

A key file's shares are opened here, and only what opens is kept. A passkey's open in the officer's browser
alone: what was seen first of a generation is kept, and the browser tries each of what there is.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.shares import ESCROW_PIN, open_share
from vault_service.crypto.share_key import may_be_sealed
from vault_service.domain.errors import SealBrokenError, UnavailableError
from vault_service.domain.ids import OfficerId
from vault_service.durable import sync
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.own_shares import list_own_shares

KEPT = 2
_Class = Literal["seen", "noted"]


@dataclass(frozen=True, slots=True)
class ShareBook:
    """One officer's shares of the escrow PIN, as they are sealed."""

    folder: Path
    officer: OfficerId

    def keep(self, generation: int, sealed: bytes, as_: _Class) -> None:
        """Keep a copy. Raises UnavailableError."""
        if sealed in self.kept(generation, as_):
            return
        path = self._path(generation, as_)
        beside = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            for generation_ in sorted(self._generations(as_))[:-KEPT]:
                self._path(generation_, as_).unlink(missing_ok=True)
            sync(self.folder)
        except OSError as error:
            raise self._unavailable(error) from error

    def kept(self, generation: int, *classes: _Class) -> tuple[bytes, ...]:
        """The copies of one generation, in the order of `classes`. Raises UnavailableError."""
        found: list[bytes] = []
        for as_ in classes:
            try:
                found.append(self._path(generation, as_).read_bytes())
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._unavailable(error) from error
        return tuple(found)

    def _unavailable(self, error: OSError) -> UnavailableError:
        return UnavailableError(f"the folder {self.folder} ({error.strerror})")

    def _path(self, generation: int, as_: _Class) -> Path:
        return self.folder / f"share-{self.officer}-{generation}.{as_}"

    def _generations(self, as_: _Class) -> set[int]:
        return {
            int(path.stem.rsplit("-", 1)[1])
            for path in self.folder.glob(f"share-{self.officer}-*.{as_}")
            if path.stem.rsplit("-", 1)[1].isdigit()
        }


@dataclass(frozen=True, slots=True)
class OwnShares:
    """What a key file opens."""

    book: ShareBook
    key: OfficerKey
    token_serial: str

    def opens(self, generation: int, sealed: bytes) -> str | None:
        """The words of a share; None when it is not this officer's of this generation and token."""
        try:
            return open_share(
                self.key.share_seed,
                sealed,
                officer=self.key.officer,
                purpose=ESCROW_PIN,
                token_serial=self.token_serial,
                generation=generation,
            )
        except (SealBrokenError, UnicodeDecodeError):
            return None


def keep_new_shares(parts: RecoveryParts, key: OfficerKey, token_serial: str) -> OwnShares:
    """Copy what the database has of the two newest generations. Raises UnavailableError."""
    own = OwnShares(ShareBook(parts.state_dir, key.officer), key, token_serial)
    stored = _stored(parts, key.officer)
    opening = [(generation, sealed) for generation, sealed in stored.items() if own.opens(generation, sealed)]
    for generation, sealed in opening[-KEPT:]:
        own.book.keep(generation, sealed, "seen")
    return own


def keep_unopened_shares(parts: RecoveryParts, officer: OfficerId) -> ShareBook:
    """The same for an officer with a passkey: nothing is opened, and the first of each generation stays.

    Raises UnavailableError.
    """
    book = ShareBook(parts.state_dir, officer)
    plausible = [each for each in _stored(parts, officer).items() if may_be_sealed(each[1])]
    for generation, sealed in plausible[-KEPT:]:
        if not any(map(may_be_sealed, book.kept(generation, "noted", "seen"))):
            book.keep(generation, sealed, "seen")
    return book


def own_words(parts: RecoveryParts, own: OwnShares, generation: int) -> tuple[str, bytes] | None:
    """The words of one's share and the share as it is sealed: from the database, or from what was kept."""
    stored = _stored(parts, own.key.officer).get(generation)
    # What a note named was the officer's own for sure; what the database has now may be somebody's rubbish.
    for sealed in (*own.book.kept(generation, "noted", "seen"), *([stored] if stored is not None else [])):
        if (words := own.opens(generation, sealed)) is not None:
            return words, sealed
    return None


def unopened(parts: RecoveryParts, book: ShareBook, generation: int) -> tuple[bytes, ...]:
    """What may be one's share, in the order to try, each once: the first that opens is it.

    What was seen comes last: a ceremony that goes on after a crash may have put another set in its place.
    """
    stored = _stored(parts, book.officer).get(generation)
    now = () if stored is None else (stored,)
    found = (*book.kept(generation, "noted"), *now, *book.kept(generation, "seen"))
    return tuple(sealed for sealed in dict.fromkeys(found) if may_be_sealed(sealed))


def _stored(parts: RecoveryParts, officer: OfficerId) -> dict[int, bytes]:
    with parts.db.connection() as conn:
        return list_own_shares(conn, ESCROW_PIN, officer)
