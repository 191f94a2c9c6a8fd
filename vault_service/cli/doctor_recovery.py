"""`vaultctl doctor` on recovery: whether drills are done in time, and whether anybody is told of cases."""

from collections.abc import Iterator

from vault_service.bootstrap.connections import connect
from vault_service.bootstrap.notices import notice_receivers
from vault_service.cli.finding import Finding, warning
from vault_service.crypto.manifest_chain import verify_chain
from vault_service.domain.clock import utc_now
from vault_service.domain.errors import ConfigurationError, VaultError
from vault_service.outbound.addresses import AddressPolicy
from vault_service.outbound.connect import Outbound
from vault_service.policy.load import load_policies
from vault_service.policy.rules import Policies
from vault_service.recovery.figures import DrillState
from vault_service.settings import Recovery, Settings, Worker
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.keys.notices import cases_state, vault_began


def examine_recovery(settings: Settings) -> Iterator[Finding]:
    """What this host's sections call for."""
    try:
        policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    except ConfigurationError:
        return  # the policies' own finding says it
    if settings.recovery is not None:
        yield _drill(settings.recovery, policies)
        if settings.manifest_fingerprint:  # else its own finding says it
            yield _quorums(settings.recovery, policies, settings.manifest_fingerprint)
    if settings.worker_keys is not None:
        yield _notices(settings.worker_keys, policies)


def _drill(recovery: Recovery, policies: Policies) -> Finding:
    check = "recovery drill"
    db = connect(recovery.database, size=1, name="doctor")
    try:
        with db.connection() as conn:
            state, began = cases_state(conn), vault_began(conn)
    except VaultError as error:
        return Finding(check, False, error.detail, error.remedy)
    finally:
        db.close()
    if began is None:
        return Finding(check, False, "the keys database holds no manifest", "Run vaultctl init.")
    drill = DrillState.of(state, policies.recovery.drill, began=began, now=utc_now())
    last = f"the last one: {drill.last:%Y-%m-%d}" if drill.last else "none was held yet"
    if drill.overdue_since is not None:
        return warning(
            check, f"overdue since {drill.due:%Y-%m-%d}; {last}",
            "Nobody has seen escrow wraps open since: vaultctl recovery open drill (docs/recovery.md).",
        )  # fmt: skip
    if drill.last is None:
        return Finding(check, True, f"none was held yet; the first is due by {drill.due:%Y-%m-%d}")
    return Finding(check, True, f"in time; {last}, the next is due by {drill.due:%Y-%m-%d}")


def _quorums(recovery: Recovery, policies: Policies, fingerprint: str) -> Finding:
    check = "recovery quorums"
    db = connect(recovery.database, size=1, name="doctor")
    try:
        with db.connection() as conn:
            manifest = verify_chain(load_chain(conn), pinned=bytes.fromhex(fingerprint))
    except VaultError as error:
        return Finding(check, False, error.detail, error.remedy)
    finally:
        db.close()
    if weaker := policies.recovery.below_quorum(manifest.quorum):
        return Finding(
            check, False, "; ".join(weaker), "The manifest's numbers are in force: correct the file."
        )
    return Finding(check, True, "none is below what the officers signed")


def _notices(worker: Worker, policies: Policies) -> Finding:
    check = "recovery notices"
    try:
        notice_receivers(worker.notices, Outbound(AddressPolicy(policies.outbound.allow)))
    except VaultError as error:
        return Finding(check, False, error.detail, error.remedy)
    if not any(each.app is None for each in worker.notices):
        return warning(
            check, "nobody tells the officers of new cases: they must look at vaultctl recovery list",
            "Set [[worker_keys.notices]] with url and hmac_key_file (docs/operations.md).",
        )  # fmt: skip
    return Finding(check, True, f"{len(worker.notices)} receivers")
