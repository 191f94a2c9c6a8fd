"""policies/recovery.toml as frozen objects; no number here can bring a quorum below two people."""

from typing import Annotated

import msgspec
from msgspec import Meta

from vault_service.domain.case import Case, CaseKind, Scope
from vault_service.domain.manifest import MIN_QUORUM, Quorum

_People = Annotated[int, Meta(ge=MIN_QUORUM, le=16)]
_Wait = Annotated[float, Meta(ge=0, le=31_536_000)]  # s
_Expiry = Annotated[float, Meta(ge=60, le=31_536_000)]  # s


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class QuorumRule(_Rule, frozen=True):
    """Distinct officers per kind of case."""

    regain: _People
    erasure: _People
    drill: _People
    drill_all: _People
    disclosure: _People
    key_ceremony: _People
    officer_change: _People
    escrow_rotation: _People


class WaitingRule(_Rule, frozen=True):
    """Seconds from opening a case until it is due."""

    regain: _Wait
    disclosure: _Wait
    erasure: _Wait
    drill: _Wait
    key_ceremony: _Wait
    officer_change: _Wait
    escrow_rotation: _Wait


class ExpiryRule(_Rule, frozen=True):
    """Seconds until an undecided case expires."""

    regain: _Expiry
    officers: _Expiry


class CaseLimits(_Rule, frozen=True):
    """Against floods and push fatigue."""

    open_per_login: Annotated[int, Meta(ge=1, le=100)]
    per_login_per_day: Annotated[int, Meta(ge=1, le=1000)]
    per_app_per_hour: Annotated[int, Meta(ge=1)]
    look_ups_per_officer_per_hour: Annotated[int, Meta(ge=1, le=10_000)]
    wrong_identifications: Annotated[int, Meta(ge=1, le=100)]
    notify_officers_every_s: _Wait


class CeremonyRule(_Rule, frozen=True):
    """How long a ceremony waits."""

    note_s: Annotated[float, Meta(ge=30, le=86_400)]
    batch_patience_s: Annotated[float, Meta(ge=1, le=86_400)]


class DrillRule(_Rule, frozen=True):
    """How often, and how many."""

    every_days: Annotated[float, Meta(gt=0, le=366)]
    sample: Annotated[int, Meta(ge=1)]


class DisclosureRule(_Rule, frozen=True):
    """What the subject is shown when."""

    show_after_s: _Wait


class RecoveryCodeRule(_Rule, frozen=True):
    """A code that the user keeps."""

    enabled: bool


class RecoveryPolicy(_Rule, frozen=True):
    """policies/recovery.toml."""

    quorum: QuorumRule
    waiting_s: WaitingRule
    expiry_s: ExpiryRule
    limits: CaseLimits
    ceremony: CeremonyRule
    drill: DrillRule
    disclosure: DisclosureRule
    recovery_code: RecoveryCodeRule

    def quorum_of(self, kind: CaseKind, scope: Scope, manifest: Quorum) -> int:
        """How many must approve: as the policy says, but never fewer than the officers' manifest or two."""
        drill_all = kind == "drill" and scope.sample is None
        policy: int = getattr(self.quorum, "drill_all" if drill_all else kind.replace("-", "_"))
        # Every DEK passes one process: as many as for a disclosure.
        everybody = drill_all or kind in {"disclosure", "escrow-rotation"}
        signed = manifest.disclosure if everybody else manifest.base
        return max(policy, signed, MIN_QUORUM)

    def quorum_for(self, case: Case, manifest: Quorum) -> int:
        """The same for a case: what it was opened with, or what counts today, whichever is more."""
        return max(case.quorum, self.quorum_of(case.kind, case.scope, manifest))

    def below_quorum(self, manifest: Quorum) -> tuple[str, ...]:
        """Which numbers here are lower than what the officers signed: those count for nothing.

        Whoever lowered them, or forgot to raise them, reads another quorum than the one in force.
        """
        weaker: list[str] = []
        for rule in msgspec.structs.fields(QuorumRule):
            said: int = getattr(self.quorum, rule.name)
            signed = (
                manifest.disclosure
                if rule.name in {"disclosure", "drill_all", "escrow_rotation"}
                else manifest.base
            )
            if said < signed:
                weaker.append(f"recovery.toml: quorum.{rule.name} {said}, and the manifest demands {signed}")
        return tuple(weaker)

    def waiting_of(self, kind: CaseKind) -> float:
        """Seconds."""
        wait: float = getattr(self.waiting_s, kind.replace("-", "_"))
        return wait

    def expiry_of(self, kind: CaseKind) -> float:
        """Seconds after opening; at least an hour after the case is due."""
        after = self.expiry_s.regain if kind == "regain" else self.expiry_s.officers
        return max(after, self.waiting_of(kind) + 3600)
