"""Which officers, keys and quorum an officer believes: those that the key file and this host both pin."""

from vault_service.domain.errors import ManifestError
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.believed_chain import Chain, read_chain


def trusted_chain(parts: RecoveryParts, pinned: str | None = None) -> Chain:
    """Verify the chain as it is now.

    `pinned`: the fingerprint of an officer's key file, which must be the settings'. Raises ManifestError.
    """
    if pinned is not None and parts.fingerprint and pinned != parts.fingerprint:
        raise ManifestError("your key file pins another vault than this host's vault.toml")
    return read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir)
