"""Errors of key rotation; see errors.py for what each of them has."""

from vault_service.domain.errors import IntegrityError, UnavailableError, VaultError


class RotationBusyError(VaultError):
    """A rotation of this kind runs already, or another one runs that it may not run beside."""

    code = "rotation.busy"
    remedy = "See vaultctl rotate status; let it end, or resume it if it is paused."


class NoRotationError(VaultError):
    """There is no such rotation under way."""

    code = "rotation.none"
    remedy = "See vaultctl rotate status."


class NothingToRotateError(VaultError):
    """No newer generation is current than the one that everything is on."""

    code = "rotation.nothing"
    remedy = "Begin with a new key: vaultctl rotate KIND makes one; an escrow key is made by a key ceremony."


class GenerationRefusedError(VaultError):
    """This generation may not take this step."""

    code = "rotation.generation_refused"
    remedy = "A generation goes prepared, current, retiring, destroyed; see vaultctl rotate status."


class GenerationNeededError(VaultError):
    """Something still needs the generation that was to be retired; nothing was changed."""

    code = "rotation.generation_needed"
    remedy = (
        "Run vaultctl rotate KIND again for what was left behind; wraps that do not open are listed by "
        "vaultctl rotate status; cases and ceremonies under way must end first."
    )


class FingerprintDiffersError(VaultError):
    """The fingerprint that was handed in is not this generation's."""

    code = "rotation.fingerprint_differs"
    remedy = (
        "See vaultctl rotate status for the fingerprint, and make sure that it is the generation you mean."
    )


class BrokenOffError(UnavailableError):
    """Something went away while a key was being rotated or retired."""

    code = "rotation.broken_off"
    remedy = (
        "Nothing is lost. Type the same command again once it is back: it goes on where it was; "
        "vaultctl rotate status says where that is."
    )


class UnreadableWrapsError(VaultError):
    """Some wraps did not open; they are as they were."""

    code = "rotation.unreadable_wraps"
    remedy = (
        "Their users' ids are listed. Each was altered or moved in the database: compare with a backup, see "
        "docs/runbooks/rotation.md. The old generation stays until they are put right or erased."
    )


class DataKeyChangeRefusedError(VaultError):
    """A data key may not be added or given up now."""

    code = "rotation.data_key_refused"
    remedy = "Sign in again: what is left to do goes on from there."


class DataKeyGoneError(IntegrityError):
    """A record is under a data key that was rotated away."""

    code = "rotation.data_key_gone"
    remedy = (
        "The databases are of different times: restore the keys database of the time of the records "
        "database, see docs/operations.md."
    )


class ManifestBehindError(UnavailableError):
    """This key service has not read yet that there is a newer key."""

    code = "rotation.manifest_behind"
    remedy = "Send the request again in a second."
