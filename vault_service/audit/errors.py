"""What keeps a log from being sealed."""

from vault_service.domain.errors import ConfigurationError, UnavailableError, VaultError
from vault_service.domain.logs import LogName


class OlderDatabaseError(ConfigurationError):
    """The database is older than a head that it was sealed under: a backup was restored."""

    code = "audit.older_database"

    def __init__(self, log: LogName, *, size: int, held: int, where: str) -> None:
        super().__init__(
            f"the {log} database, with {size} sealed events, does not contain the head of {held} in {where}",
            remedy="Put the newest database back; or, if this restored one must go on for good: "
            f"vaultctl audit accept-restore --side {log}",
        )


class OlderKeyServiceError(ConfigurationError):
    """The key service remembers less than this side: its state was put back."""

    code = "audit.older_key_service"
    remedy = "Restore the key service's newest state folder and keys database."


class CheckpointFileError(ConfigurationError):
    """The file of checkpoints kept outside the database cannot be used."""

    code = "audit.checkpoint_file"
    remedy = "Let the worker's user write its state_dir; keep a damaged file as evidence and move it away."


class CosignaturesMissingError(UnavailableError):
    """Too few witnesses have cosigned the head: it does not count yet."""

    code = "audit.cosignatures_missing"
    remedy = "Look at the witnesses of [[witnesses]]; nothing is lost, and the next head covers it."

    def __init__(self, *, have: int, need: int) -> None:
        VaultError.__init__(
            self, f"{have} of the {need} cosignatures that the policy demands", retry_after_s=2
        )


class RestoreUnsealedError(UnavailableError):
    """The event that says that the log was restored is no leaf yet: no head is signed before it is."""

    code = "audit.restore_unsealed"
    remedy = (
        "It is one within a second or two. If it stays, the keys database was put back once more: "
        "vaultctl audit accept-restore --side keys"
    )


class HeadMismatchError(VaultError):
    """The key service signed something else than it was asked to."""

    code = "audit.head_mismatch"
    remedy = "Treat it as tampering: keep the note, and look at the key service's host."
