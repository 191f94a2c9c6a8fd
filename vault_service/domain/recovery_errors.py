"""Errors of recovery under dual control; see errors.py for what each of them has."""

from vault_service.domain.errors import ConfigurationError, ManifestError, UnavailableError, VaultError


class CaseRefusedError(VaultError):
    """A case is not what the key service opened, or does not fit its kind."""

    code = "recovery.case_refused"
    remedy = "Do not approve it; tell the operator: a row of the keys database was altered."


class ManifestNotSeenError(VaultError):
    """A case names a manifest that was not there when the chain was read."""

    code = "recovery.manifest_not_seen"
    remedy = "Nothing: it is looked at again within half a minute. If it stays so, a row was altered."


class CaseDiffersError(VaultError):
    """The case is not the one whose hash was given."""

    code = "recovery.case_differs"
    remedy = "Look at it again, and decide it anew; if it differs once more, tell the operator."


class NotConfirmedError(VaultError):
    """Whoever was asked did not say yes; nothing was signed."""

    code = "recovery.not_confirmed"
    remedy = "Run it again once you have made up your mind."


class ProposalRefusedError(ManifestError):
    """Nobody could work under the manifest that is proposed."""

    code = "officers.proposal_refused"
    remedy = "Nothing was changed. Leave enough officers for each quorum, and a current key of each kind."


class CaseNotFoundError(VaultError):
    """There is no such case."""

    code = "recovery.no_such_case"
    remedy = "Look it up in the list of cases; an app finds only cases that it opened."


class CaseClosedError(VaultError):
    """The case is decided, cancelled or expired already."""

    code = "recovery.case_closed"
    remedy = "If it is wanted still, a new case has to be opened; no approval of this one counts for it."


class TooManyCasesError(VaultError):
    """Too many recoveries were asked for in a short time."""

    code = "recovery.too_many"
    remedy = "Wait as long as Retry-After says; a case that is open already can be approved meanwhile."


class OfficerRefusedError(VaultError):
    """Not signed by an officer of the current manifest, or too old."""

    code = "recovery.officer_refused"
    remedy = "Check the host's clock and your key file; see vaultctl officer list."


class NotPermittedError(VaultError):
    """This officer may not do that."""

    code = "recovery.not_permitted"
    remedy = "Ask an officer whose roles allow it; see policies/officers.cedar."


class SelfApprovalError(NotPermittedError):
    """Whoever opened a case, or is its subject, does not decide it."""

    code = "recovery.self_approval"
    remedy = "Ask another officer to decide."


class SeparationOfDutyError(ConfigurationError):
    """The officers' policies would let somebody decide what is their own affair."""

    code = "policy.separation_of_duty"
    remedy = (
        "Put the forbid rules back, as in the project's policies/officers.cedar; find out who removed them."
    )


class ApprovalRefusedError(VaultError):
    """An approval's signature does not stand for this case, this officer and this decision."""

    code = "recovery.approval_refused"
    remedy = "Approve the case as it is now, with a key that the manifest names."


class IdentificationRefusedError(VaultError):
    """The login or the phrase that was typed is not this case's."""

    code = "recovery.not_identified"
    remedy = "Ask the person again; after several wrong ones the case has to be opened anew."


class IdentificationNeededError(VaultError):
    """Who asks for access again has to be established before that is approved."""

    code = "recovery.identification_needed"
    remedy = "Speak to the person, then type the login and the six words as the person gives them."


class ShareMissingError(VaultError):
    """No share of the escrow PIN that this officer's key opens, neither stored nor kept here."""

    code = "recovery.share_missing"
    remedy = "Run it on the host where you released a share before; any quorum of other officers will do too."


class QuorumNotMetError(VaultError):
    """Fewer distinct officers have approved than the case needs."""

    code = "recovery.quorum_not_met"
    remedy = "Ask another officer to approve the case, then run the ceremony again."

    def __init__(self, detail: str = "", *, have: int = 0, need: int = 0) -> None:
        super().__init__(detail or f"{have} of {need} approvals are valid")


class NotDueError(VaultError):
    """The waiting period is not over yet."""

    code = "recovery.not_due"
    remedy = "Wait; it is measured by clocks that nobody can move alone."


class NoteRefusedError(VaultError):
    """A ceremony's note is not signed by the key service, has expired, or names something else."""

    code = "recovery.note_refused"
    remedy = "Release nothing to it; begin a ceremony anew (vaultctl ceremony run)."


class NothingApprovedError(NoteRefusedError):
    """No case that the ceremony is for is approved by this officer, or by a quorum."""

    code = "recovery.nothing_approved"
    remedy = "Approve one of its cases first, if you agree with it: that releases your share as well."


class CeremonyBusyError(UnavailableError):
    """Another ceremony is at work with the escrow token."""

    code = "recovery.ceremony_busy"
    remedy = "Wait until it has ended; it serves every case that is due."


class RecoveryCodeOffError(VaultError):
    """This service gives out no recovery codes."""

    code = "recovery.codes_off"
    remedy = "Ask the operator; policies/recovery.toml decides."


class PinUnknownError(ConfigurationError):
    """No complete share set opens the escrow token."""

    code = "escrow.pin_unknown"
    remedy = "Follow docs/runbooks/pin-blocked.md; try no PIN by hand."


class PinAlmostLockedError(ConfigurationError):
    """The escrow token would lock at the next wrong PIN, or is locked."""

    code = "escrow.pin_almost_locked"
    remedy = "Follow docs/runbooks/pin-blocked.md; try no PIN by hand."


class PinUnfinishedError(UnavailableError):
    """The cases are executed, and the change of the escrow PIN after them came to no end."""

    code = "escrow.pin_unfinished"
    remedy = "What the cases say stands. Run vaultctl doctor, then hold a drill: it ends the change."
