"""Open escrow wraps with the token and seal each DEK to the current escrow key, in one process.

Both halves are bound to the same tenant, user and DEK id, and the DEK is compared with its check value in
between: what does not open under one user's ids is never sealed under them. A DEK is in memory for some
milliseconds; what leaves is a wrap that the new escrow key alone opens.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from vault_service.ceremony.escrow_token import EscrowToken
from vault_service.ceremony.wraps import EscrowWraps
from vault_service.crypto.dek import Dek
from vault_service.crypto.hpke import seal_all_to
from vault_service.domain.contexts import EscrowContext
from vault_service.domain.manifest import PublicKeyGeneration
from vault_service.kms.protocol.recovery_messages import PeeledWrap
from vault_service.kms.protocol.rotation_messages import NewEscrowWrap

_PORTION = 100  # wraps whose DEKs are in memory together; more make it hardly any faster


class Resealed(msgspec.Struct, frozen=True, tag="resealed"):
    """What became of a page; `failed`: users whose wrap did not open."""

    wraps: tuple[NewEscrowWrap, ...]
    failed: tuple[UUID, ...]


class Resealer:
    """Seals to one escrow key; `keys`: all that the manifest names."""

    def __init__(
        self, token: EscrowToken, keys: Iterable[PublicKeyGeneration], target: PublicKeyGeneration
    ) -> None:
        self._wraps = EscrowWraps(token, keys)
        self._gen, self._point = target.gen, bytes.fromhex(target.public_key)

    def reseal(self, page: Sequence[PeeledWrap]) -> Resealed:
        """One derivation in the token for each."""
        wraps, failed = list[NewEscrowWrap](), dict[UUID, None]()
        for first in range(0, len(page), _PORTION):
            portion = page[first : first + _PORTION]
            opened = self._wraps.open_all(portion)
            wraps += self._sealed([dek for dek in opened if dek is not None])
            failed |= {each.user_id: None for each, dek in zip(portion, opened, strict=True) if dek is None}
        return Resealed(tuple(wraps), tuple(failed))

    def _sealed(self, deks: Sequence[Dek]) -> list[NewEscrowWrap]:
        new = seal_all_to(self._point, ((self._place(dek).encode(), dek.key) for dek in deks))
        return [NewEscrowWrap(dek.user, dek.dek, wrap) for dek, wrap in zip(deks, new, strict=True)]

    def _place(self, dek: Dek) -> EscrowContext:
        return EscrowContext(dek.tenant, dek.user, dek.dek, self._gen, self._point)
