"""A ceremony's child that does nothing but the ECDH in the token: the floor of what a child takes.

python -m benchmarks.bare_ecdh_child
"""

from collections.abc import Iterable

from vault_service.ceremony import reseal_child
from vault_service.ceremony.escrow_token import EscrowToken
from vault_service.ceremony.reseal import Resealed
from vault_service.domain.manifest import PublicKeyGeneration
from vault_service.kms.protocol.recovery_messages import PeeledWrap


class _Bare:
    """In the place of the one that opens and seals."""

    def __init__(
        self, token: EscrowToken, keys: Iterable[PublicKeyGeneration], target: PublicKeyGeneration
    ) -> None:
        del target
        self._private = {key.gen: token.diffie_hellman(f"escrow/{key.gen}") for key in keys}

    def reseal(self, page: Iterable[PeeledWrap]) -> Resealed:
        """One derivation for each."""
        for each in page:
            self._private[each.escrow_gen]((each.wrap or b"")[:65])
        return Resealed((), ())


if __name__ == "__main__":
    reseal_child.Resealer = _Bare  # type: ignore[misc,assignment]  # see above
    reseal_child.main()
