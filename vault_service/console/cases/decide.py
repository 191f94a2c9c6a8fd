"""Approve, reject, and release one's share: what an officer's passkey signs about a case.

1. The form says which case was shown, by its hash; another one is signed by nobody.
2. Approving who asks for access again takes two signatures: over the call that has login and phrase checked,
   and over the case. An officer change takes two as well: over the new manifest, and over the case.
3. Where a ceremony waits, the share is opened and sealed to it in the act of the last signature.
4. Everything is asked again when a signature comes in: two minutes may lie between.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from vault_service.console.asking import ask
from vault_service.console.intents import GoOn, ReleasedShare, ShareToRelease, Signed
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.contexts import context
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.ids import CaseId, CeremonyId
from vault_service.domain.recovery_errors import CaseDiffersError, NoteRefusedError
from vault_service.recovery import decide
from vault_service.recovery.acting import Acting, decided, decision_message
from vault_service.recovery.cases import ShownCase, read_case
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.release import HeldShare, Releases, hand_in, shares_to_release
from vault_service.web.texts import say
from vault_service.web.view import Nothing, Reply, Taken, Told, View, Visit

_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Approve(Taken, frozen=True):
    """The form; login and phrase of a regain, as the officer established them."""

    digest: _Hash
    login: Annotated[str, Meta(max_length=1000)] = ""
    phrase: Annotated[str, Meta(max_length=1000)] = ""


class Veto(Taken, frozen=True):
    """The form."""

    digest: _Hash
    reason: Annotated[str, Meta(max_length=500)]
    sure: str = ""


_Approving = Visit[Services, Session, Approve]


def approve(visit: _Approving) -> Reply:
    """Begin to approve. Raises as recovery.decide.approve, recorded like there, and CaseDiffersError."""
    parts, acting, shown = _before(visit, visit.asked.digest)
    decide.demand_may_decide(parts, acting, shown, "approve")
    if decide.has_approved(parts, acting, shown):
        return Told(GoOn(f"/cases/{shown.case_id}"))
    if shown.case.kind == "regain":
        return _identify(visit, parts, acting, shown)
    if shown.case.kind == "officer-change":
        return _endorse(visit, acting, shown)
    return _approve(visit, shown, _plain)


def veto(visit: Visit[Services, Session, Veto]) -> Reply:
    """Begin to end a case. Raises as recovery.decide.veto, and CaseDiffersError."""
    reason = visit.asked.reason.strip()
    if not visit.asked.sure:
        raise InvalidInputError("sure", "say that you want to end this case")
    if not reason:
        raise InvalidInputError("reason", "say why: the other officers see it")
    parts, acting, shown = _before(visit, visit.asked.digest)
    decide.demand_may_decide(parts, acting, shown, "veto")

    def finish(_: Signed, signature: bytes) -> Reply:
        now = visit.services.officer(visit.who)
        decide.veto_signed(parts, now, shown, decided(now, "veto", signature, reason))
        return Told(GoOn(f"/cases/{shown.case_id}"))

    return ask(
        visit, decision_message(acting, shown.digest, "veto", reason), finish,
        says=say("Your passkey signs that you reject this case."),
    )  # fmt: skip


def release(visit: Visit[Services, Session, Nothing]) -> Reply:
    """Begin to hand in one's share to the ceremonies that wait for it, for this case."""
    case = CaseId(visit.id("case_id"))
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    return release_shares(visit, shares_to_release(parts, acting, case), f"/cases/{case}")


def release_shares(visit: Visit[Services, Session, Nothing], held: Sequence[HeldShare], then: str) -> Told:
    """Have the browser open and seal these. What is signed says which ceremonies they are for.

    Raises NoteRefusedError when no ceremony waits for a share.
    """
    if not held:
        raise NoteRefusedError("no ceremony waits for a share of yours")
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    infos = b"".join(each.release_info for each in held)
    message = context(b"share-release", acting.officer_id.bytes, acting.authenticator_id.bytes, infos)

    def finish(signed: Signed, _: bytes) -> Reply:
        releases = _hand_in(parts, visit.services.officer(visit.who), signed.released)
        if releases.refused and not releases.released:
            raise releases.refused[0][1]
        return Told(GoOn(then))

    return ask(
        visit, message, finish, shares=_to_browser(held),
        says=say("Your passkey opens your share, which is sealed to the ceremony."),
    )  # fmt: skip


def _before(
    visit: Visit[Services, Session, Approve] | Visit[Services, Session, Veto], digest: str
) -> tuple[RecoveryParts, Acting, ShownCase]:
    """The case as it is, if it is the one that the form was of. Raises CaseDiffersError."""
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    shown = read_case(parts, acting.trusted, CaseId(visit.id("case_id")))
    if shown.digest.hex() != digest:
        raise CaseDiffersError
    return parts, acting, shown


def _plain(signed: SignedDecision) -> SignedDecision:
    return signed


def _identify(visit: _Approving, parts: RecoveryParts, acting: Acting, shown: ShownCase) -> Reply:
    person = decide.Person(visit.asked.login, visit.asked.phrase)
    prepared = decide.prepare_identify(parts, acting, shown, person)

    def finish(_: Signed, signature: bytes) -> Reply:
        now = visit.services.officer(visit.who)
        word = decide.identified(parts, now, shown, person, prepared, signature)
        return _approve(visit, shown, lambda signed: dataclasses.replace(signed, identified=word))

    return ask(
        visit, prepared.message, finish,
        says=say("1 of 2: your passkey signs that login and words are to be checked."),
    )  # fmt: skip


def _endorse(visit: _Approving, acting: Acting, shown: ShownCase) -> Reply:
    def finish(_: Signed, signature: bytes) -> Reply:
        return _approve(visit, shown, lambda signed: dataclasses.replace(signed, endorsement=signature))

    return ask(
        visit, decide.endorsement_message(shown, acting.manifest), finish,
        says=say("1 of 2: your passkey signs the new manifest."),
    )  # fmt: skip


def _approve(
    visit: _Approving, shown: ShownCase, complete: Callable[[SignedDecision], SignedDecision]
) -> Told:
    """The last signature, and the share in the same act where a ceremony waits."""
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)

    def finish(signed: Signed, signature: bytes) -> Reply:
        now = visit.services.officer(visit.who)
        decide.submit(parts, now, shown, complete(decided(now, "approve", signature)))
        _hand_in(parts, now, signed.released)  # what is refused of it, the case's page still asks for
        return Told(GoOn(f"/cases/{shown.case_id}"))

    return ask(
        visit, decision_message(acting, shown.digest, "approve"), finish,
        says=say("Your passkey signs that you approve this case."),
        shares=_to_browser(shares_to_release(parts, acting, shown.case_id)),
    )  # fmt: skip


def _to_browser(held: Sequence[HeldShare]) -> tuple[ShareToRelease, ...]:
    return tuple(
        ShareToRelease(
            str(each.ceremony), each.pin_gen, each.sealed.hex(), each.open_info.hex(),
            each.ephemeral_pk.hex(), each.release_info.hex(),
        )
        for each in held
    )  # fmt: skip


def _hand_in(parts: RecoveryParts, acting: Acting, released: Sequence[ReleasedShare]) -> Releases:
    """Raises InvalidInputError for what is no share."""
    try:
        shares = [
            (CeremonyId(UUID(each.ceremony_id)), each.pin_gen, bytes.fromhex(each.sealed))
            for each in released
        ]
    except ValueError:
        raise InvalidInputError("share", "what the browser handed in cannot be read") from None
    return hand_in(parts, acting, shares)


VIEWS: tuple[View[Services, Session], ...] = (
    View("POST", "/cases/{case_id}/approve", approve, Approve),
    View("POST", "/cases/{case_id}/veto", veto, Veto),
    View("POST", "/cases/{case_id}/release", release),
)
