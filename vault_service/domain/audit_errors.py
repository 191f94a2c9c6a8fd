"""Errors of the sealed audit logs; see errors.py for what each of them has."""

from vault_service.domain.errors import UnavailableError, VaultError
from vault_service.domain.logs import LogName

_RETRY_S = 10  # an operator or a worker has to do something first


class CheckpointRefusedError(VaultError):
    """A head is no append of the last one that was signed."""

    code = "audit.checkpoint_refused"
    remedy = (
        "Ask what was signed last and prove an append of it; if there is none, the log was altered: "
        "keep its database as it is and compare it with a backup."
    )


class ReportRefusedError(VaultError):
    """A head that is reported as sealed lacks a signature or cosignatures, or belongs to another log."""

    code = "audit.report_refused"
    remedy = "Compare [[witnesses]] and policies/audit.toml of this host with those of the worker's."


class RestoreRefusedError(VaultError):
    """There is nothing to accept: the log is what was signed last, or it is not as it was described."""

    code = "audit.restore_refused"
    remedy = "Look at the log's size again; a restore is accepted only where an older database was put back."


class _AuditUnavailableError(UnavailableError):
    """The audit log cannot be used."""

    code = "audit.unavailable"

    def __init__(self, detail: str = "", *, retry_after_s: int | None = _RETRY_S) -> None:
        VaultError.__init__(self, detail, retry_after_s=retry_after_s)


class UnsealedError(_AuditUnavailableError):
    """Events have not been sealed for too long: nobody is signed in until they are."""

    code = "audit.unsealed"
    remedy = "Tell the operator: look at the workers and the witnesses; it ends by itself once they seal."


class HeadsDisagreeError(_AuditUnavailableError):
    """What was signed last is remembered in two ways that contradict each other."""

    code = "audit.heads_disagree"
    remedy = (
        "Tell the operator: somebody changed signed_heads in the keys database, or signed-heads in the key "
        "service's state folder. Restore the one that was changed from its backup; delete neither."
    )


class HeadsUnreadableError(_AuditUnavailableError):
    """The file that remembers what was signed last cannot be read."""

    code = "audit.heads_unreadable"
    remedy = (
        "Tell the operator: put signed-heads in the key service's state folder aside as evidence and restore "
        "it from the host's backup; without it a restored database is not noticed."
    )


class LogRestoredError(_AuditUnavailableError):
    """The database is older than the last head that was signed: a backup was restored."""

    code = "audit.log_restored"
    remedy = (
        "Tell the operator: put the newest keys database back, or go on with this one, which stays visible "
        "in the log for ever: vaultctl audit accept-restore --side keys"
    )

    def __init__(self, side: LogName, detail: str) -> None:
        super().__init__(f"the {side} database {detail}")
        # From the key service it is the keys database, and only the class's own remedy crosses over.
        self.remedy = type(self).remedy.replace("keys", side)  # type: ignore[misc]  # it knows the case


class LogUncheckedError(_AuditUnavailableError):
    """The records database has not been compared with the last head that was signed."""

    code = "audit.log_unchecked"
    remedy = "Tell the operator: the key service must answer once after this process has started."

    def __init__(self, detail: str = "", *, retry_after_s: int | None = 2) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
