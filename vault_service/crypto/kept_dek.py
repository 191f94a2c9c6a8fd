"""An older data key under the one that follows it, while records are under both."""

from vault_service.crypto.dek import Dek
from vault_service.crypto.seal import WRAPPED_KEY_BYTES, open_sealed, seal
from vault_service.domain.contexts import KeptDekContext
from vault_service.domain.ids import DekId


def seal_kept(dek: Dek, older: Dek) -> bytes:
    """93 bytes."""
    return seal(dek.key, _place(dek, older.dek), older.key)


def open_kept(dek: Dek, older: DekId, kept: bytes, dek_check: bytes) -> Dek:
    """The older one, compared with its check value. Raises SealBrokenError."""
    opened = Dek(
        dek.tenant, dek.user, older, open_sealed(dek.key, _place(dek, older), kept, length=WRAPPED_KEY_BYTES)
    )
    opened.verify(dek_check)
    return opened


def _place(dek: Dek, older: DekId) -> KeptDekContext:
    return KeptDekContext(dek.tenant, dek.user, dek.dek, older)
