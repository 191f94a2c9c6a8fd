"""What the console's pages call; put together by bootstrap."""

from dataclasses import dataclass

from vault_service.console.intents import Intents
from vault_service.console.sessions import Sessions
from vault_service.policy.page_rules import ConsoleRule
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.pool import Database


@dataclass(frozen=True, slots=True)
class Services:
    """All of them."""

    recovery: RecoveryParts
    sessions: Sessions
    intents: Intents
    rule: ConsoleRule
    origin: str
    audit_keys: Database | None = None  # role vault_auditor_keys
    audit_records: Database | None = None  # role vault_auditor_records

    @property
    def rp_id(self) -> str:
        """WebAuthn's relying party: the origin's host name."""
        return self.origin.split("//", 1)[1].partition(":")[0]
