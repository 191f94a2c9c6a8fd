"""Which officers, keys and quorum an officer believes: those that the key file and this host both pin."""

from vault_service.ceremony.officer_key import UNPINNED
from vault_service.domain.errors import ManifestError
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.believed_chain import Chain, read_chain


def trusted_chain(parts: RecoveryParts, pinned: str | None = None) -> Chain:
    """Verify the chain as it is now.

    `pinned`: the fingerprint of an officer's key file, which must be the settings'. Raises ManifestError.
    """
    if not parts.fingerprint:
        raise ManifestError(
            "no fingerprint is pinned on this host",
            remedy="Set manifest_fingerprint in vault.toml to what vaultctl init printed.",
        )
    if pinned == UNPINNED:
        raise ManifestError(
            "your key file was made before genesis and pins no vault yet",
            remedy="Run vaultctl officer pin, with the fingerprint that was read out at genesis.",
        )
    if pinned is not None and pinned != parts.fingerprint:
        raise ManifestError(
            "your key file pins another vault than this host's vault.toml",
            remedy="Use the key file of this vault; if it is, do nothing here and tell the operator.",
        )
    return read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir)
