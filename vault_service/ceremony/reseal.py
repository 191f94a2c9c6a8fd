"""Open escrow wraps with the token and seal each DEK to the current escrow key, in one process.

Both halves are bound to the same tenant, user and DEK id, and the DEK is compared with its check value in
between: what does not open under one user's ids is never sealed under them. A DEK is in memory for
microseconds; what leaves is a wrap that the new escrow key alone opens.
"""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from vault_service.ceremony.escrow_token import EscrowToken
from vault_service.ceremony.wraps import EscrowWraps
from vault_service.crypto.dek import Dek
from vault_service.crypto.hpke import seal_to
from vault_service.domain.contexts import EscrowContext
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.manifest import PublicKeyGeneration
from vault_service.kms.recovery_messages import PeeledWrap
from vault_service.kms.rotation_messages import NewEscrowWrap


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

    def reseal(self, page: Iterable[PeeledWrap]) -> Resealed:
        """One derivation in the token for each."""
        wraps, failed = list[NewEscrowWrap](), dict[UUID, None]()
        for peeled in page:
            try:
                dek = self._wraps.open(peeled)
            except SealBrokenError:
                failed[peeled.user_id] = None
            else:
                wraps.append(NewEscrowWrap(dek.user, dek.dek, self._seal(dek)))
        return Resealed(tuple(wraps), tuple(failed))

    def _seal(self, dek: Dek) -> bytes:
        place = EscrowContext(dek.tenant, dek.user, dek.dek, self._gen, self._point)
        return seal_to(self._point, place.encode(), dek.key)
