"""Officers and shares: who holds what, who was last seen when, and how many may be missing.

The officers, their roles and the threshold are the verified manifest's; who holds a share and who did
something when is what rows say, which tells where to look and decides nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from vault_service.ceremony.shares import ESCROW_PIN, holders
from vault_service.domain.alerts import Alert
from vault_service.domain.case import CASE_KINDS, Case, CaseKind, Scope
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Manifest, Officer
from vault_service.policy.authority import CaseAction
from vault_service.policy.page_rules import AlertRule
from vault_service.policy.separation import a_case
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.audit.activity import last_of_officers
from vault_service.storage.keys.believed_chain import Chain
from vault_service.storage.keys.pin_times import pin_states
from vault_service.storage.keys.shares import PinState, list_shares
from vault_service.storage.keys.work import last_acts
from vault_service.storage.pool import Database

_ACTS = (
    KeysEvent.OFFICER_SIGNED_IN, KeysEvent.CASE_APPROVED, KeysEvent.CASE_VETOED, KeysEvent.CASE_OPENED,
    KeysEvent.SHARE_RELEASED, KeysEvent.OFFICER_IDENTIFIED_SUBJECT, KeysEvent.USER_LOOKED_UP,
)  # fmt: skip
"""What shows that somebody still has what they sign with."""


@dataclass(frozen=True, slots=True)
class HeldBy:
    """One officer."""

    officer: Officer
    holds_share: bool  # of the PIN that the escrow token has
    is_to_hold: bool  # by the manifest
    last_act: datetime | None  # None: none that is known of
    is_idle: bool


@dataclass(frozen=True, slots=True)
class Deciders:
    """Who could decide one kind of case, if somebody else opened it."""

    kind: CaseKind
    need: int
    may: tuple[str, ...]  # names
    spare: int  # how many of them may be missing, whoever they are; below 0: such a case cannot be decided


@dataclass(frozen=True, slots=True)
class ShareState:
    """All of them."""

    people: tuple[HeldBy, ...]
    strangers: tuple[UUID, ...]  # hold a share, and are not to (any more)
    threshold: int  # shares that open the token
    pin_gen: int | None
    pin_state: PinState | None
    since: datetime | None  # when the share set was made
    deciders: tuple[Deciders, ...]

    @property
    def held(self) -> int:
        """Shares that officers hold who are to."""
        return sum(each.holds_share and each.is_to_hold for each in self.people)

    @property
    def spare(self) -> int:
        """How many shares may be lost before the escrow cannot be opened; below 0: it cannot."""
        return self.held - self.threshold

    @property
    def seen_lately(self) -> int:
        """Of the holders, those who are not idle."""
        return sum(each.holds_share and each.is_to_hold and not each.is_idle for each in self.people)


def share_state(
    parts: RecoveryParts, trusted: Chain, rule: AlertRule, trail: Database | None = None
) -> ShareState:
    """As it is now. `trail`: the keys database for a role that may read events. Raises UnavailableError."""
    manifest, now = trusted.newest, parts.now()
    ids = [officer.officer_id for officer in manifest.officers]
    owners = {
        each.authenticator_id: officer.officer_id
        for officer in manifest.officers
        for each in officer.authenticators
    }
    with parts.db.connection() as conn:
        pins = pin_states(conn)
        active = next((pin for pin in pins if pin[1] in {"active", "switching"}), None)
        held = set(list_shares(conn, ESCROW_PIN, active[0])) if active else set[UUID]()
        last = last_acts(conn, ids, owners)
    if trail is not None:
        with trail.connection() as conn:
            for officer, at in last_of_officers(conn, ids, _ACTS).items():
                last[officer] = max(last.get(officer, at), at)
    began = datetime.fromisoformat(manifest.created_at)
    idle = now - timedelta(days=rule.officer_idle_days)
    entitled = {each.officer_id for each in holders(manifest.officers)}
    people = tuple(
        HeldBy(
            officer, officer.officer_id in held, officer.officer_id in entitled,
            last.get(officer.officer_id), last.get(officer.officer_id, began) < idle,
        )
        for officer in manifest.officers
    )  # fmt: skip
    return ShareState(
        people, tuple(sorted(held - entitled)), manifest.quorum.base,
        active[0] if active else None, active[1] if active else None, active[2] if active else None,
        tuple(_deciders(parts, manifest)),
    )  # fmt: skip


def _deciders(parts: RecoveryParts, manifest: Manifest) -> Iterable[Deciders]:
    for kind in CASE_KINDS:
        need = parts.rules.quorum_of(kind, Scope(sample=1) if kind == "drill" else Scope(), manifest.quorum)
        may = _permitted(parts, manifest.officers, "approve", kind)
        may = [each for each in may if {"approver", "discloser"} & set(each.roles)]
        spare = len(may) - need
        if kind != "regain":  # an officer opens it, and does not decide it
            openers = {each.officer_id for each in _permitted(parts, manifest.officers, "open", kind)}
            deciding = {each.officer_id for each in may}
            if not openers:
                spare = -need
            elif openers <= deciding:  # one of them is to be there, and decides nothing then
                spare = min(spare - 1, len(openers) - 1)
        yield Deciders(kind, need, tuple(each.name for each in may), spare)


def _permitted(
    parts: RecoveryParts, officers: Sequence[Officer], action: CaseAction, kind: CaseKind
) -> list[Officer]:
    case: Case = a_case(kind)
    return [each for each in officers if parts.authority.rules_that_permit(each, action, case)]


def share_alerts(state: ShareState, rp_id: str = "") -> Iterable[Alert]:
    """What is to be done about people and shares. `rp_id`: whose passkeys can sign here."""
    if state.spare < 0:
        yield Alert("escrow-locked", "now", n=state.held, of=state.threshold)
    elif state.spare == 0:
        yield Alert("escrow-last", "now", n=state.held, of=state.threshold)
    elif state.spare == 1:
        yield Alert("escrow-thin", "soon", n=state.held, of=state.threshold)
    if state.spare >= 0 and state.seen_lately < state.held and state.seen_lately <= state.threshold:
        yield Alert("escrow-unseen", "soon", n=state.seen_lately, of=state.threshold)
    if impossible := [each.kind for each in state.deciders if each.spare < 0]:
        yield Alert("kind-impossible", "now", ", ".join(impossible), n=len(impossible))
    if fragile := [each.kind for each in state.deciders if each.spare == 0]:
        yield Alert("kind-fragile", "soon", ", ".join(fragile), n=len(fragile))
    if state.pin_state not in {None, "active"}:
        yield Alert("pin-unfinished", "soon", at=state.since)
    for person in state.people:
        name = person.officer.name
        if person.is_to_hold and not person.holds_share:
            yield Alert("no-share", "soon", name)
        if person.is_idle:
            yield Alert("officer-idle", "soon", name, at=person.last_act)
        for auth in person.officer.authenticators:
            if auth.passkey and rp_id and auth.passkey.rp_id != rp_id:
                yield Alert("other-site", "soon", name)
    if state.strangers:
        yield Alert("stranger-share", "soon", n=len(state.strangers))
