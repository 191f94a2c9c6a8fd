"""Why a witness does not cosign; which HTTP status each has stands in server.py."""

from vault_service.domain.errors import VaultError


class SubmissionRefusedError(VaultError):
    """The witness does not cosign this checkpoint."""

    code = "witness.refused"
    remedy = "Compare the log with the checkpoint that the witness cosigned last."


class SubmissionMalformedError(SubmissionRefusedError):
    """The request is not an add-checkpoint of C2SP tlog-witness."""

    code = "witness.malformed"
    remedy = "Send an old size, the proof, an empty line and a signed checkpoint."


class OriginUnknownError(SubmissionRefusedError):
    """This witness does not watch a log of that origin."""

    code = "witness.origin_unknown"
    remedy = "Start the witness with the log's verifier key (--log)."


class CheckpointUnsignedError(SubmissionRefusedError):
    """No key that the witness knows for this origin has signed the checkpoint."""

    code = "witness.unsigned"
    remedy = "After the log's key was rotated, start the witness with the new verifier key as well."


class SizeConflictError(SubmissionRefusedError):
    """The old size is not that of the checkpoint which the witness cosigned last."""

    code = "witness.size_conflict"
    remedy = "Send a proof from the size that the answer names."

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness cosigned size {size} last")
        self.size = size


class LogForkedError(SizeConflictError):
    """The witness has cosigned another tree of the same size: there are two logs with one name."""

    code = "witness.log_forked"
    remedy = "Stop the log. The state file of the witness holds both signed checkpoints as evidence."


class HeadInconsistentError(SubmissionRefusedError):
    """The proof does not show that the checkpoint appends to the one cosigned last."""

    code = "witness.inconsistent"
    remedy = (
        "If the proof was made from the log's own tiles, leaves were changed: verify an export of the log."
    )
