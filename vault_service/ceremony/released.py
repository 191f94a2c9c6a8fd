"""Combine what officers released to a ceremony into the secret of the escrow token's PIN.

Whoever can write to the keys database can append releases in any officer's name: rubbish, shares of other
secrets, copies. None of it may keep a good set from being found, nor cost a try at the token. So every
release is opened and parsed by itself, shares are sorted into the sets that they claim to belong to, and
subsets of each set are tried against the generation's check value, each once, a bounded number at each look
and each share in its turn: a flood delays the good set and does not hide it.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from shamir_mnemonic import MnemonicError
from shamir_mnemonic.share import Share

from vault_service.ceremony.shares import SECRET_BYTES, SharesRefusedError, combine
from vault_service.crypto.hpke import load_public_key, open_with
from vault_service.domain.ceremony_note import release_info
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.manifest import MIN_QUORUM
from vault_service.storage.keys.ceremonies import ReleaseRow

Matches: TypeAlias = Callable[[int, bytes], None]
"""Compare a secret with the check value of a generation; raises SharesRefusedError."""

_LONGEST_RELEASE = 1024  # bytes; twenty words, sealed, are under 300
_MOST_SUBSETS = 256  # a look; each costs under a millisecond until it is one secret's
_MOST_EXPONENT = 1  # PBKDF2 iterations are 10,000 << it: a planted 15 would hold the ceremony for minutes


class EphemeralKey:
    """A P-256 key that lives in this process only; shares are released to it."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def point(self) -> bytes:
        """The public half: an uncompressed point, 65 bytes."""
        return self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def multiply(self, peer: bytes, /) -> bytes:
        """Fit for crypto.hpke.open_with."""
        return self._private.exchange(ec.ECDH(), load_public_key(peer))


@dataclass(frozen=True, slots=True)
class _Released:
    """One share, opened; what is equal is one, however often it was released."""

    officer: UUID
    words: str = field(repr=False)


_Subset: TypeAlias = "tuple[_Released, ...]"


class Releases:
    """Everything that was released to one note."""

    def __init__(
        self, key: EphemeralKey, note_digest: bytes, generations: Sequence[int], matches: Matches
    ) -> None:
        self._key = key
        self._note_digest = note_digest
        self._matches = matches
        self._looked_at = 0
        # generation -> what the shares say of their set -> the shares
        self._sets: dict[int, dict[object, dict[_Released, None]]] = {gen: {} for gen in generations}
        self._untried: dict[int, deque[Iterator[_Subset]]] = {gen: deque() for gen in generations}
        self._found: dict[int, bytes] = {}

    def look(self, rows: Sequence[ReleaseRow]) -> dict[int, bytes]:
        """The secrets (16 bytes each) known by now, by generation; `rows`: all releases, in order."""
        for row in rows[self._looked_at :]:
            self._take(row)
        self._looked_at = len(rows)
        for gen in self._untried:
            if gen not in self._found:
                self._try(gen)
        return dict(self._found)

    def _take(self, row: ReleaseRow) -> None:
        """Open and sort in; a share that is new is to be tried with those that were there before it."""
        if row.pin_gen not in self._sets or len(row.sealed) > _LONGEST_RELEASE:
            return
        info = release_info(self._note_digest, row.officer, row.pin_gen)
        try:
            words = open_with(self._key.multiply, self._key.point, info, row.sealed).decode("ascii")
            share = Share.from_mnemonic(words)
        except (SealBrokenError, UnicodeDecodeError, MnemonicError):
            return
        if not _is_fit(share):
            return
        same_set = self._sets[row.pin_gen].setdefault(share.group_parameters(), {})
        released = _Released(row.officer, share.mnemonic())
        if released not in same_set:
            self._untried[row.pin_gen].append(_with(released, tuple(same_set), share.member_threshold))
            same_set[released] = None

    def _try(self, gen: int) -> None:
        untried = self._untried[gen]
        for _ in range(_MOST_SUBSETS):
            if not untried:
                return
            subsets = untried.popleft()
            subset = next(subsets, None)
            if subset is None:
                continue
            untried.append(subsets)  # each share in turn: none waits for the end of another's subsets
            try:
                secret = combine([each.words for each in _of_distinct_people(subset)])
                self._matches(gen, secret)
            except SharesRefusedError:
                continue
            self._found[gen] = secret
            return


def _is_fit(share: Share) -> bool:
    """Of a secret such as we split; one that a single person could give is none, whatever it combines to."""
    return (
        share.member_threshold >= MIN_QUORUM
        and share.group_threshold == share.group_count == 1
        and share.iteration_exponent <= _MOST_EXPONENT
        and len(share.value) == SECRET_BYTES
    )


def _with(released: _Released, others: Sequence[_Released], need: int) -> Iterator[_Subset]:
    """As many as are needed, this one among them."""
    for rest in itertools.combinations(others, need - 1):
        yield (*rest, released)


def _of_distinct_people(subset: _Subset) -> _Subset:
    """Raises SharesRefusedError: two shares in one person's hands are no quorum."""
    if len({each.officer for each in subset}) < len(subset):
        raise SharesRefusedError("two of these shares are one person's")
    return subset
