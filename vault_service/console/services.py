"""What the console's pages call; put together by bootstrap."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from vault_service.console.budget import Budget
from vault_service.console.intents import Intents, Pending
from vault_service.console.remembered import Remembered
from vault_service.console.sessions import Session, Sessions
from vault_service.domain.alerts import Alert
from vault_service.domain.recovery_errors import OfficerRefusedError
from vault_service.domain.web_errors import NotSignedInError
from vault_service.policy.page_rules import ConsoleRule
from vault_service.policy.rotation_rules import Cryptoperiods
from vault_service.policy.rules import CollectionRule
from vault_service.recovery.acting import Acting, act_by_passkey
from vault_service.recovery.activity import ActivityBook
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.invitations import InvitationRow
from vault_service.storage.pool import Database

REFUSALS_A_MINUTE = 60  # of visitors who are not signed in
ENROLLING_S = 1800  # a newcomer reads, makes a passkey, chooses a passphrase


@dataclass(frozen=True, slots=True)
class Enrolling:
    """An enrolment that somebody has begun; see enrol.py."""

    invitation: InvitationRow
    authenticator_id: UUID
    challenge: bytes = field(repr=False)  # 32 bytes


@dataclass(frozen=True, slots=True)
class Services:
    """All of them."""

    recovery: RecoveryParts
    sessions: Sessions
    intents: Intents
    rule: ConsoleRule
    origin: str
    # Whose fields a disclosure can be ticked together from.
    collections: Mapping[str, CollectionRule] = field(default_factory=dict[str, CollectionRule])
    refusals: Budget = field(default_factory=lambda: Budget(REFUSALS_A_MINUTE), repr=False)
    enrolling: Pending[Enrolling] = field(default_factory=lambda: Pending(ENROLLING_S), repr=False)
    audit_keys: Database | None = None  # role vault_auditor_keys
    audit_records: Database | None = None  # role vault_auditor_records
    cosigners: tuple[str, ...] = ()  # verifier keys of those who cosign the logs' heads
    periods: Cryptoperiods | None = None  # how long keys serve; None: not told here when one is due
    activity: ActivityBook = field(default_factory=ActivityBook)
    alerts: Remembered[tuple[Alert, ...]] = field(default_factory=Remembered[tuple[Alert, ...]])

    def officer(self, session: Session) -> Acting:
        """Who works in this session, as the newest manifest that is believed names them.

        Raises NotSignedInError once it does not, or not with this passkey; the session has ended then.
        """
        try:
            acting = act_by_passkey(self.recovery, session.officer, session.authenticator)
        except OfficerRefusedError:
            self.sessions.end(session)
            raise NotSignedInError("you are no officer any more, or have another passkey now") from None
        return acting

    @property
    def rp_id(self) -> str:
        """WebAuthn's relying party: the origin's host name."""
        return self.origin.split("//", 1)[1].partition(":")[0]
