"""Open an inner escrow wrap with the token, believing nothing of what came with it."""

import contextlib
from collections.abc import Iterable, Sequence

from vault_service.ceremony.escrow_token import EscrowToken
from vault_service.crypto.dek import DataKeys, Dek
from vault_service.crypto.hpke import DiffieHellman, open_all_with
from vault_service.crypto.kept_dek import open_kept
from vault_service.domain.contexts import EscrowContext
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import DekId, TenantId, UserId
from vault_service.domain.manifest import PublicKeyGeneration
from vault_service.kms.protocol.recovery_messages import PeeledWrap


class EscrowWraps:
    """Opens wraps of every escrow key that the manifest names and does not call destroyed."""

    def __init__(self, token: EscrowToken, keys: Iterable[PublicKeyGeneration]) -> None:
        self._token = token
        self._points = {key.gen: bytes.fromhex(key.public_key) for key in keys if key.state != "destroyed"}
        self._private: dict[int, DiffieHellman] = {}  # found once: the token walks its objects for a label

    def open(self, peeled: PeeledWrap) -> Dek:
        """The DEK, compared with its check value. Raises SealBrokenError."""
        (opened,) = self.open_all([peeled])
        if opened is None:
            raise SealBrokenError
        return opened

    def open_all(self, page: Sequence[PeeledWrap]) -> list[Dek | None]:
        """The same for many; None for one that does not open."""
        opened: list[Dek | None] = [None] * len(page)
        for gen, point in self._points.items():
            here = [(n, each) for n, each in enumerate(page) if each.escrow_gen == gen and each.wrap]
            if not here:
                continue
            sealed = [(_place(each, point).encode(), each.wrap or b"") for _, each in here]
            keys = open_all_with(self._of(gen), point, sealed)
            for (number, each), key in zip(here, keys, strict=True):
                opened[number] = None if key is None else _checked(each, key)
        return opened

    def open_with_older(self, peeled: PeeledWrap) -> DataKeys:
        """The DEK, and older ones that records are still under. Raises SealBrokenError.

        An older one that does not open is left out: what is under it will be named as not readable, rather
        than that whoever altered one row keeps everything from being disclosed.
        """
        dek = self.open(peeled)
        older: list[Dek] = []
        for each in peeled.kept:
            with contextlib.suppress(SealBrokenError):
                older.append(open_kept(dek, DekId(each.dek_id), each.kept, each.dek_check))
        return DataKeys(dek, tuple(older))

    def _of(self, gen: int) -> DiffieHellman:
        if gen not in self._private:
            self._private[gen] = self._token.diffie_hellman(f"escrow/{gen}")
        return self._private[gen]


def _place(peeled: PeeledWrap, point: bytes) -> EscrowContext:
    tenant, user, dek = TenantId(peeled.tenant), UserId(peeled.user_id), DekId(peeled.dek_id)
    return EscrowContext(tenant, user, dek, peeled.escrow_gen, point)


def _checked(peeled: PeeledWrap, key: bytes) -> Dek | None:
    dek = Dek(TenantId(peeled.tenant), UserId(peeled.user_id), DekId(peeled.dek_id), key)
    try:
        dek.verify(peeled.dek_check)
    except SealBrokenError:
        return None
    return dek
