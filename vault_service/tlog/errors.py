"""What a log, a witness or an auditor refuses: a proof or a note."""

from vault_service.domain.errors import VaultError


class ProofError(VaultError):
    """A proof or a tile does not lead to the root hash that was signed."""

    code = "audit.proof"
    remedy = "Keep both checkpoints as evidence, sign nothing, and find out which tile or leaf was changed."


class NoteError(VaultError):
    """A note, a checkpoint, a cosignature or a verifier key is not what its format and its keys demand."""

    code = "audit.note"
    remedy = (
        "Fetch it again from where it is published; if it stays so, compare it with a copy held elsewhere."
    )
