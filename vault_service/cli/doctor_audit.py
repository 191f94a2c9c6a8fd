"""`vaultctl doctor` on the sealed logs: who vouches for them, how far they are sealed, what is missing."""

from collections.abc import Iterator

from vault_service.bootstrap.connections import connect
from vault_service.cli.finding import Finding, warning
from vault_service.domain.errors import ConfigurationError, VaultError
from vault_service.domain.logs import LOGS, LogName
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import HealthIs, LogHead, LogHeadIs
from vault_service.policy.load import load_policies
from vault_service.settings import Database, Settings
from vault_service.storage.audit.tree import holds, tree_size

SILENT_S = 60.0
"""A worker reports every few seconds."""


def examine_witnesses(settings: Settings) -> Iterator[Finding]:
    """Whether a head can get the cosignatures that the policy demands, and from outside as well."""
    if settings.worker_keys is None and settings.worker_records is None:
        return
    try:
        demanded = load_policies(
            settings.policies_dir, recovery=settings.recovery_policy
        ).audit.checkpoints.cosignatures
    except ConfigurationError:
        return  # the policies' own finding says it
    known = len(settings.witnesses)
    check = "witnesses"
    if known < demanded:
        yield Finding(
            check, False, f"policies/audit.toml demands {demanded} cosignatures, and {known} can be had",
            "Add [[witnesses]] to vault.toml, or demand fewer: until then no head counts.",
        )  # fmt: skip
    elif known < 2 or demanded < 2:
        # The records side's own witness is one of them: both sides together could show two pasts.
        yield warning(
            check, f"{known} known, {demanded} demanded: nobody outside both sides must vouch for the logs",
            "For production run a witness on a third host (vaultctl witness), add it to [[witnesses]] and "
            "set cosignatures = 2.",
        )  # fmt: skip
    else:
        yield Finding(check, True, f"{known} known, {demanded} demanded")


def examine_sealing(health: HealthIs) -> Iterator[Finding]:
    """Whether both logs are being sealed, as the key service sees it."""
    if health.sealing != "ok":
        yield Finding(
            "sealing",
            False,
            f"{health.sealing}: nobody is signed in",
            "Start both workers, look at their logs.",
        )
    for log in health.logs:
        check = f"{log.log} log"
        if log.reported_s_ago is None or log.reported_s_ago > SILENT_S:
            since = (
                "since the key service started"
                if log.reported_s_ago is None
                else f"for {log.reported_s_ago:.0f} s"
            )
            yield Finding(
                check, False, f"not sealed: its worker has reported nothing {since}",
                f"Start it: vaultctl serve worker --side {log.log}; look at its log and at the witnesses.",
            )  # fmt: skip
        else:
            wait = "1 event waits" if log.unsealed == 1 else f"{log.unsealed} events wait"
            waiting = f", {wait}" if log.unsealed else ""
            yield Finding(check, True, f"sealed up to leaf {log.sealed_size}{waiting}")


def examine_heads(settings: Settings, kms: KmsClient) -> Iterator[Finding]:
    """Whether each database holds the head that was signed last."""
    for log in LOGS:
        section: Database | None = getattr(settings.audit, log, None)
        if section is not None and settings.operator is not None:
            yield _head(log, section, kms)


def _head(log: LogName, section: Database, kms: KmsClient) -> Finding:
    check = f"{log} database: last signed head"
    try:
        head = kms.call(LogHead(log), LogHeadIs)
        db = connect(section, size=1, name="doctor")
        try:
            with db.connection() as conn:
                there, size = holds(conn, head.size, head.root), tree_size(conn)
        finally:
            db.close()
    except VaultError as error:
        return Finding(check, False, error.detail, error.remedy)
    if there:
        return Finding(check, True, f"held ({head.size} leaves)")
    return Finding(
        check, False, f"the key service signed {head.size} leaves; the database has {size}, or another past",
        f"Put the newest {log} database back, or go on: vaultctl audit accept-restore --side {log}",
    )  # fmt: skip
